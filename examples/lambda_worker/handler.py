"""The function's handler: `handler.lambda_handler`."""

import os

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.contrib.aws.lambda_worker import LambdaWorkerConfig, run_worker
from temporalio.worker import WorkerDeploymentConfig
from workflows import Greeting, greet

from temporal_codec.plugin import EncryptionPlugin

VERSION = WorkerDeploymentVersion("greetings", os.environ.get("BUILD_ID", "1"))

# Made once per environment: the ring stays cached from one invocation to the next.
encryption = EncryptionPlugin(os.environ["KEYRING"])


def configure(config: LambdaWorkerConfig) -> None:
    """Say what this worker runs; address, namespace and API key come from TEMPORAL_*."""
    config.client_connect_config["plugins"] = [encryption]
    config.worker_config["task_queue"] = "greetings"
    config.worker_config["workflows"] = [Greeting]
    config.worker_config["activities"] = [greet]
    config.worker_config["deployment_config"] = WorkerDeploymentConfig(
        version=VERSION,
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


lambda_handler = run_worker(VERSION, configure)
