"""`python -m wsss_tf.cli` is `wsss-tf`."""

from wsss_tf.cli.main import main

main(prog_name="wsss-tf")
