"""The parts of every HTML page: one frame, one style sheet, the blocks of a section, and the charts."""
