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


def bmp(bits, rows, masks=()):
    """A BMP written by hand, with its rows from the top, since Pillow writes no 16-bit one."""
    offset = 54 + 4 * len(masks)
    rows = b"".join(row + bytes(-len(row) % 4) for row in rows)
    header = struct.pack("<IiiHHIIiiII", 40, WIDTH, -HEIGHT, 1, bits, 3 if masks else 0, len(rows), 0, 0, 0, 0)
    file = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset)
    return file + header + b"".join(struct.pack("<I", mask) for mask in masks) + rows


def four_bit(values):
    """A BMP of a palette of sixteen colours, two pixels in a byte."""
    palette = b"".join(bytes((17 * i, 255 - 17 * i, 9 * i, 0)) for i in range(16))
    pairs = np.pad(values, ((0, 0), (0, 1)))
    rows = [(row[::2] << 4 | row[1::2]).astype(np.uint8).tobytes() for row in pairs]
    file = bmp(4, rows)
    return file[:10] + struct.pack("<I", 54 + len(palette)) + file[14:54] + palette + file[54:]


def pnm_text(kind, values, most=None):
    header = f"{kind} # a comment\n{WIDTH} {HEIGHT}\n" + (f"{most}\n" if most else "")
    return (header + "\n".join(" ".join(str(value) for value in row.ravel()) for row in values) + "\n").encode()


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
    yield "rgb.tif", saved(rgb, "TIFF")
    yield "lzw.tiff", saved(gray, "TIFF", compression="tiff_lzw")
    yield "palette.gif", saved(rgb.quantize(7), "GIF")
    yield "animated.gif", saved(gray, "GIF", save_all=True, append_images=[gray.transpose(Image.Transpose.ROTATE_180)])
    yield "photo.jfif", saved(rgb, "JPEG", quality=90)
    yield "rgb.bmp", saved(rgb, "BMP")
    yield "gray.bmp", saved(gray, "BMP")
    yield "palette.bmp", saved(rgb.quantize(7), "BMP")
    yield "one-bit.bmp", saved(gray.convert("1"), "BMP")
    yield "alpha.bmp", saved(alpha, "BMP")
    yield "top-down.bmp", bmp(24, [row[:, ::-1].tobytes() for row in wave(3)])
    yield "four-bit.bmp", four_bit(wave(1)[:, :, 0] >> 4)
    words = wave(3).astype("<u2") >> 3
    yield "555.bmp", bmp(16, [(row[:, 0] << 10 | row[:, 1] << 5 | row[:, 2]).tobytes() for row in words])
    words = [(row[:, 0] << 11 | row[:, 1] << 6 | row[:, 2]).astype("<u2").tobytes() for row in words]
    yield "565.bmp", bmp(16, words, (0xF800, 0x7E0, 0x1F))
    yield "rgb.ppm", saved(rgb, "PPM")
    yield "gray.pgm", saved(gray, "PPM")
    yield "one-bit.pbm", saved(gray.convert("1"), "PPM")
    yield "text.ppm", pnm_text("P3", wave(3), 255)
    yield "text.pgm", pnm_text("P2", wave(1) % 100, 99)
    yield "text.pbm", pnm_text("P1", wave(1) >> 7)
    yield "rgb16.ppm", f"P6 {WIDTH} {HEIGHT} 1000\n".encode() + (wave(3).astype(int) * 3).astype(">u2").tobytes()


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
