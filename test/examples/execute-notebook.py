"""Executes a notebook in a real kernel and writes it with its outputs: execute-notebook.py NOTEBOOK KERNEL OUTPUT"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

source, kernel, output = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
notebook.metadata.kernelspec.name = kernel
# Deno 2.9 says that a cell is done and may send its last outputs after that, when nbclient listens no more.
WAIT = "\nawait new Promise((resolve) => setTimeout(resolve, 300));" if kernel == "deno" else ""
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.outputs = []
        cell.source += WAIT
# The kernel runs in the notebook's folder, as Jupyter starts it: there it finds deepend.
where = {"metadata": {"path": str(Path(source).parent)}}
try:
    NotebookClient(notebook, timeout=240, kernel_name=kernel, resources=where, record_timing=False).execute()
finally:
    nbformat.write(notebook, output)
