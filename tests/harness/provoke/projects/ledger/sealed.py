"""Sealed files: cryptography, hashes, packed bytes."""

import base64
import binascii
import hashlib
import hmac
import pickle
import struct
import uuid

import msgpack
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.x509 import load_pem_x509_certificate

RECORD = struct.Struct("<IIQ")


class Unsealable(Exception):
    """The seal does not fit."""


class Entry:
    def __init__(self, account, cents):
        self.account = account
        self.cents = cents

    def __setstate__(self, state):
        self.cents = state["cents"]
        self.account = state["owner"]


def opened(token):
    return Fernet(Fernet.generate_key()).decrypt(token)


def cipher_of(key):
    return Fernet(key)


def aged(text):
    cipher = Fernet(Fernet.generate_key())
    return cipher.decrypt(cipher.encrypt_at_time(text, 1), ttl=60)


def decrypted(data):
    return AESGCM(b"k" * 32).decrypt(b"n" * 12, data, None)


def decrypted_or_told(data):
    try:
        return AESGCM(b"m" * 32).decrypt(b"n" * 12, data, None)
    except InvalidTag as error:
        raise Unsealable(f"{len(data)} bytes are not ours") from error


def with_key(key):
    return AESGCM(key)


def verified(data, signature):
    key = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    check(key.public_key(), data, signature)


def check(key, data, signature):
    key.verify(signature, data)


def verified_or_told(data, signature):
    key = Ed25519PrivateKey.from_private_bytes(b"t" * 32)
    try:
        key.public_key().verify(signature, data)
    except InvalidSignature:
        raise Unsealable(f"{signature!r} is not the seal of {data!r}") from None


def public_key(data):
    return Ed25519PublicKey.from_public_bytes(data)


def private_key(data):
    return serialization.load_pem_private_key(data, password=None)


def certificate(data):
    return load_pem_x509_certificate(data)


def derived(password):
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=b"salt", iterations=1)
    kdf.derive(password)
    return kdf.derive(password)


def decoded(text):
    return base64.b64decode(text, validate=True)


def from_hex(text):
    return binascii.unhexlify(text)


def hashed(name):
    return hashlib.new(name, b"book")


def keyed(text):
    return hmac.new(b"key", text, "sha256").hexdigest()


def same(left, right):
    return hmac.compare_digest(left, right)


def identity(text):
    return uuid.UUID(text)


def records(data):
    return list(RECORD.iter_unpack(data))


def packed(number):
    return RECORD.pack(1, number, 2)


def first_record(data):
    return RECORD.unpack_from(data, 8)


def entry(data):
    return pickle.loads(data)


def old_entry(account, cents):
    return pickle.loads(pickle.dumps(Entry(account, cents)))


def saved(value):
    return pickle.dumps({"value": value, "key": lambda: value})


def from_msgpack(data):
    return msgpack.unpackb(data)


def to_msgpack(value):
    return msgpack.packb({"at": value})


def streamed(data, limit):
    unpacker = msgpack.Unpacker(max_buffer_size=limit)
    unpacker.feed(data)
    return list(unpacker)
