"""What Python's csv makes of a file: python3 test/deepend/csv-read.py FILE prints its lines as a JSON list of objects."""
import csv
import json
import sys

with open(sys.argv[1], newline="", encoding="utf-8") as file:
    print(json.dumps(list(csv.DictReader(file, strict=True))))
