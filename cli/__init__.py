"""The command line, one thin file per command. Installed as `wsss_tf.cli`."""
