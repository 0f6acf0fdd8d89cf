"""The stages localize, masks and segment, the resumable loop and the run folder."""
