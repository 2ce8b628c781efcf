"""The report page of drills: one HTML text made of plain data.

`render(data)` takes the answer of the verb `report` of chaos_runner and gives a page that needs nothing else: no
script, no other file, light and dark. It reads no clock and writes no file.
Invariant: whatever text is in the data, it reaches the page as text.
"""

from chaos.report.page import render

__all__ = ["render"]
