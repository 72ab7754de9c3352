# The operator's image: no compiler in the end, non-root, read-only root file system.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS dependencies
WORKDIR /build
RUN python3 -m venv --without-pip /opt/zkoperator
COPY requirements/runtime.txt requirements/runtime.txt
# The second client of the kubernetes package is half of the weight, and nothing imports it or the tests of libraries.
RUN python3 -m pip --python /opt/zkoperator/bin/python install --no-cache-dir --no-compile --require-hashes -r requirements/runtime.txt \
 && cd /opt/zkoperator/lib/python3*/site-packages \
 && rm -r kubernetes/aio kazoo/tests

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
COPY --from=dependencies /opt/zkoperator /opt/zkoperator
# The sources are a layer of their own: a change of them alone moves half a megabyte.
COPY operator/zkoperator /opt/zkoperator/app/zkoperator
ENV PATH=/opt/zkoperator/bin:$PATH PYTHONPATH=/opt/zkoperator/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "zkoperator"]
CMD ["run"]
# Last, so that another revision with the same content has the same layers.
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="zkoperator" \
      org.opencontainers.image.description="ZooKeeper ensembles and znode/ConfigMap synchronisation on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.url="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
