"""`wsss-tf serve`."""

from __future__ import annotations

from pathlib import Path

import click

from wsss_tf.cli.signals import interrupted_by_signals

_PORT = click.IntRange(min=1, max=65535)


@click.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
@click.option("--port", type=_PORT, default=8500, show_default=True, help="For gRPC.")
@click.option("--rest-port", type=_PORT, default=8501, show_default=True, help="For REST.")
@click.option(
    "--docker/--no-docker",
    default=None,
    help="Docker's image, or tensorflow_model_server on the PATH. Without either option: that "
    "program where it is, else Docker.",
)
@click.option("--gpu", is_flag=True, help="Docker's image for GPUs.")
@click.option("--image", metavar="IMAGE", help="Another image of Docker's.")
@click.option(
    "--host",
    metavar="ADDRESS",
    help="Where Docker opens the ports; 127.0.0.1 by default, which no other machine reaches. "
    "tensorflow_model_server on the PATH opens them to all.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    metavar="SECONDS",
    help="Until it must be ready.",
)
def serve(
    bundle: Path,
    port: int,
    rest_port: int,
    docker: bool | None,
    gpu: bool,
    image: str | None,
    host: str | None,
    timeout: float,
) -> None:
    """Serve the SavedModel of BUNDLE by TensorFlow Serving until Ctrl-C.

    The bundle's digests are checked first. When the server is ready, a request to paste is
    printed. `wsss-tf --verbose serve` shows the server's log on stderr.

    \b
    Example:
      wsss-tf serve bundle
      wsss-tf serve bundle --gpu --rest-port 9001
    """
    if docker is False and (gpu or image or host):
        raise click.UsageError("--gpu, --image and --host are for Docker: leave out --no-docker.")
    if port == rest_port:
        raise click.UsageError(f"--port and --rest-port must differ. Received: {port} for both.")
    from wsss_tf.serving.bundle import open_bundle
    from wsss_tf.serving.server import request_to_paste, serving
    from wsss_tf.serving.server_command import ServerOptions

    options = ServerOptions(port, rest_port, docker, gpu, image, host)
    with interrupted_by_signals():
        checked = open_bundle(bundle)
        with serving(checked, options, timeout=timeout, say=_say) as server:
            _say(f"Ready at {server.url}, gRPC at port {port}. Ctrl-C ends it.")
            click.echo(request_to_paste(server))
            server.wait()


def _say(text: str) -> None:
    click.echo(text, err=True)
