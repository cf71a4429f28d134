"""The setting `resume.run`, which several packages read."""

AUTO = "auto"
"""Resumes the newest run or sweep of this configuration that has not finished, where there is one."""
