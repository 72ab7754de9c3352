# The operator's image: Python, its dependencies and the sources. No shell, no compiler, non-root, read-only root file system.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS dependencies
WORKDIR /build
RUN python3 -m venv --without-pip /opt/zkoperator
COPY requirements/runtime.txt requirements/runtime.txt
# The kubernetes package logs in, and nothing else of it is used: its second client, its calls and its models are most of the weight.
RUN python3 -m pip --python /opt/zkoperator/bin/python install --no-cache-dir --no-compile --require-hashes -r requirements/runtime.txt \
 && cd /opt/zkoperator/lib/python3*/site-packages \
 && rm -r kubernetes/aio kubernetes/client/api kazoo/tests \
 && find kubernetes/client/models -name '*.py' ! -name __init__.py -delete
COPY image/minimal_root.py minimal_root.py
# Compiled here, as a container that compiles a hundred thousand lines first takes seconds longer to start.
RUN python3 minimal_root.py /root-of-image /opt/zkoperator \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/zkoperator/lib

FROM dependencies AS sources
COPY operator/zkoperator /opt/zkoperator/app/zkoperator
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/zkoperator/app

FROM scratch
ARG BASE_IMAGE
COPY --from=dependencies /root-of-image /
COPY --from=dependencies /opt/zkoperator /opt/zkoperator
# The sources are a layer of their own: a change of them alone moves three megabytes.
COPY --from=sources /opt/zkoperator/app /opt/zkoperator/app
ENV PATH=/opt/zkoperator/bin PYTHONPATH=/opt/zkoperator/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
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
