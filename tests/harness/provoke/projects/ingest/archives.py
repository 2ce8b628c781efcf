"""Archives and packed files."""

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path


def names_in_zip(path):
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def member_of_zip(name):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("README", "hello")
    return zipfile.ZipFile(out).read(name)


def damaged_member(text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("README", text)
    data = out.getvalue().replace(text.encode(), text[::-1].encode(), 1)
    return zipfile.ZipFile(io.BytesIO(data)).read("README")


def closed_zip(name):
    with zipfile.ZipFile(io.BytesIO(), "w") as archive:
        archive.writestr(name, "")
    archive.writestr(name, "")


def names_in_tar(path):
    with tarfile.open(path) as archive:
        return archive.getnames()


def member_of_tar(name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("README"))
        return archive.getmember(name)


def escaping_member(name, target):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(f"../../{name}"))
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        archive.extractall(target, filter="data")


def unzipped(data):
    return gzip.decompress(data)


def half_of_gzip(text):
    return gzip.decompress(gzip.compress(text.encode())[:-6])


def inflated(data):
    return zlib.decompress(data)


def from_bz2(data):
    return bz2.decompress(data)


def from_xz(data):
    return lzma.decompress(data)


def unpacked(path, target):
    shutil.unpack_archive(path, target)


def copied(path, target):
    shutil.copytree(path, target)


def moved(path, target):
    Path(path).rename(target)


def removed(path):
    Path(path).rmdir()


def made(path):
    Path(path).mkdir()


def relative(path, base):
    return Path(path).relative_to(base)


def renamed(path, ending):
    return Path(path).with_suffix(ending)


def joined(path, name):
    return Path(path) / name
