"""Golden image files and archives: python3 test/golden/make-data-golden.py writes test/golden/data-files.json.

Images come with the pixels that Pillow makes of them by convert("RGB") and convert("L"), as torchvision's ImageFolder loads them; archives
are written by Python's tarfile and zipfile. All in base64.
"""
import base64
import io
import json
import pathlib
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import PIL
from PIL import Image

HEIGHT, WIDTH = 10, 13


def wave(channels):
    """Smooth pictures, so that JPEG keeps them alike, with a different slope in each channel."""
    y, x, c = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(channels), indexing="ij")
    return np.uint8(127.5 + 127.5 * np.sin(0.35 * x * (c + 1) + 0.5 * y + c))


def saved(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png(color_type, depth, rows):
    """A PNG written by hand, since Pillow writes no 16-bit colour. https://www.w3.org/TR/png/"""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def png16(color_type, channels):
    values = wave(channels).astype(np.uint16) * 251 + 77
    return png(color_type, 16, [row.astype(">u2").tobytes() for row in values])


def images():
    rgb, gray, alpha = Image.fromarray(wave(3)), Image.fromarray(wave(1)[:, :, 0]), Image.fromarray(wave(4), "RGBA")
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: a quarter turn
    palette = rgb.quantize(7)
    palette.info["transparency"] = 2
    yield "rgb.png", saved(rgb, "PNG")
    yield "gray.png", saved(gray, "PNG")
    yield "alpha.png", saved(alpha, "PNG")
    yield "gray-alpha.png", saved(alpha.convert("LA"), "PNG")
    yield "palette.png", saved(palette, "PNG")
    yield "one-bit.png", saved(gray.convert("1"), "PNG")
    yield "rgb16.png", png16(2, 3)
    yield "alpha16.png", png16(6, 4)
    yield "gray-alpha16.png", png16(4, 2)
    yield "rgb.jpg", saved(rgb, "JPEG", quality=90)
    yield "rgb-444.jpg", saved(rgb, "JPEG", quality=90, subsampling=0)
    yield "progressive.jpg", saved(rgb, "JPEG", quality=80, progressive=True)
    yield "gray.jpg", saved(gray, "JPEG", quality=90)
    yield "cmyk.jpg", saved(Image.fromarray(wave(4), "CMYK"), "JPEG", quality=90)
    yield "turned.jpg", saved(rgb, "JPEG", quality=90, exif=turned)
    yield "lossless.webp", saved(rgb, "WEBP", lossless=True)
    yield "lossy.webp", saved(rgb, "WEBP", quality=80)
    yield "alpha.webp", saved(alpha, "WEBP", lossless=True, exact=True)


MEMBERS = {"folder/a.bin": bytes(range(256)) * 5, "folder/b.bin": b"b", "readme.txt": b"text"}


def archives():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    yield "files.tar", buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, (name, data) in enumerate(MEMBERS.items()):
            archive.writestr(zipfile.ZipInfo(name), data, [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED][i % 2])
        archive.comment = b"a comment"
    yield "files.zip", buffer.getvalue()


def text(data):
    return base64.b64encode(data).decode()


def image_case(name, data):
    image = Image.open(io.BytesIO(data))
    pixels = {mode: text(image.convert(mode).tobytes()) for mode in ("RGB", "L")}
    return {"name": name, "mode": image.mode, "file": text(data), "shape": [image.height, image.width], **pixels}


result = {
    "pillow": PIL.__version__,
    "images": [image_case(name, data) for name, data in images()],
    "archives": {name: text(data) for name, data in archives()},
    "members": {name: text(data) for name, data in MEMBERS.items()},
}
path = pathlib.Path(__file__).with_name("data-files.json")
path.write_text(json.dumps(result, indent=1) + "\n")
