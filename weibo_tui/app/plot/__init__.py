"""Line charts in braille dots."""
