"""What Keras makes of files: python3 test/models/keras-read.py CASES.json prints {name: logits} as JSON. A case: name, file, images, shape."""
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np

import keras

answers = {}
for case in json.load(open(sys.argv[1])):
    net = keras.models.load_model(case["file"])
    images = np.fromfile(case["images"], dtype="<f4").reshape(case["shape"])
    answers[case["name"]] = np.asarray(net(images, training=False)).ravel().tolist()
print(json.dumps(answers))
