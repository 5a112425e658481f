"""Line charts of braille dots.

Own code, because textual-plot and plotext bridge missing values, need NumPy or a global figure, and keep every point.
"""
