"""Runs a Jupyter notebook from its first cell and prints it with its outputs: python3 scripts/execute-notebook.py NOTEBOOK.ipynb

Needs python3-nbclient and python3-ipykernel. What differs from run to run is left out: times and identifiers of cells' execution.
"""
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, record_timing=False).execute()
notebook.metadata = {'kernelspec': notebook.metadata['kernelspec'], 'language_info': {'name': 'python'}}
print(nbformat.writes(notebook))
