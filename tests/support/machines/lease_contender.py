"""A process that acts while it leads: each act is a fenced write of its own key in the ConfigMap `acts`.

Run as `python -m tests.support.machines.lease_contender KUBECONFIG NAMESPACE IDENTITY`; SIGTERM is a clean stop.
"""

import asyncio
import signal
import sys

from zkoperator.errors import TransientError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.lease import Elector
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.kube.transport import Transport


async def act(api: KubeClient, elector: Elector, namespace: str, identity: str) -> None:
    """Write for ever, whether it leads or not: the fence alone decides."""
    acts = 0
    while True:
        await elector.wait_acquired()
        try:
            await api.patch(CONFIG_MAPS, namespace, "acts", {"data": {identity: str(acts)}})
        except TransientError:
            await asyncio.sleep(0.02)
        acts += 1
        await asyncio.sleep(0.05)


async def main(kubeconfig: str, namespace: str, identity: str) -> None:
    transport = Transport(CredentialSource(kubeconfig))
    elector = Elector(KubeClient(transport), namespace, "zkoperator", identity)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    election = asyncio.create_task(elector.run())
    acting = asyncio.create_task(act(KubeClient(transport, before_write=elector.require), elector, namespace, identity))
    await stop.wait()
    for task in (acting, election):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await transport.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
