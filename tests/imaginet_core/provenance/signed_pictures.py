"""Pictures with metadata of every kind, made here: a certificate of our own that signs manifests, PNG texts, XMP, EXIF, IPTC."""

import datetime
import hashlib
import io
import json
import struct
import zlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
SYNTHETIC = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CREATED = {"action": "c2pa.created", "digitalSourceType": SYNTHETIC, "softwareAgent": {"name": "Example Model"}}
STEPS = "a red fox\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"


def picture(seed: int = 0, side: int = 64) -> Image.Image:
    """Noise over a gradient."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    pixels = np.stack([rows * 3, columns * 3, rows + columns], axis=-1) + rng.integers(0, 40, (side, side, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved(kind: str, image: Image.Image | None = None, **options) -> bytes:
    """A file of Pillow's format ``kind``."""
    file = io.BytesIO()
    if kind == "PNG" and "xmp" in options:  # which Pillow takes as a text alone
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode())
    (image or picture()).save(file, kind, **options)
    return file.getvalue()


def texts(**values: str) -> PngInfo:
    """Texts of a PNG, by key."""
    info = PngInfo()
    for key, value in values.items():
        info.add_text(key, value)
    return info


def exif(main: dict | None = None, inner: dict | None = None, gps: dict | None = None) -> Image.Exif:
    """EXIF with tags of its main, its inner and its GPS directory."""
    found = Image.Exif()
    for number, value in (main or {0x0128: 2}).items():  # Pillow leaves out EXIF whose main directory is empty
        found[number] = value
    found.get_ifd(0x8769).update(inner or {})
    found.get_ifd(0x8825).update(gps or {})
    return found


def comment(text: str) -> bytes:
    """A UserComment as web interfaces write it."""
    return b"UNICODE\0" + text.encode("utf-16-be")


def xmp(attributes: str, inner: str = "") -> bytes:
    """An XMP packet with one description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:ps="http://ns.adobe.com/photoshop/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        f'xmlns:dcterms="http://purl.org/dc/terms/" {attributes}>{inner}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def extended_xmp(first: str, rest: bytes, size: int = 100, name: str | None = None) -> list[bytes]:
    """JPEG segments APP1 with their markers: a packet with the attributes ``first`` that names the rest, and the rest in pieces."""
    name = name or hashlib.md5(rest).hexdigest().upper()
    main = xmp(f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{name}" {first}')
    bodies = [b"http://ns.adobe.com/xap/1.0/\0" + main] + [
        b"http://ns.adobe.com/xmp/extension/\0" + name.encode() + struct.pack(">II", len(rest), start) + rest[start : start + size]
        for start in range(0, len(rest), size)
    ]
    return [b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in bodies]


def gif_xmp(packet: bytes) -> bytes:
    """A GIF's application extension with XMP and the trailer that lets readers of blocks pass over it."""
    return b"!\xff\x0bXMP DataXMP" + packet + b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def stored_png(values: bytes) -> bytes:
    """A PNG of 64 × 64 grey pixels whose data are ``values``, neither filtered nor packed."""
    rows = [b"\0" + values.ljust(64 * 64, b"x")[64 * row : 64 * row + 64] for row in range(64)]
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def iptc(**values: str) -> bytes:
    """Photoshop's resources with IPTC-IIM, as a JPEG's segment APP13 with its marker."""
    numbers = {"program": 65, "credit": 110}
    data = b"".join(b"\x1c\2" + bytes([numbers[name]]) + len(value).to_bytes(2, "big") + value.encode() for name, value in values.items())
    body = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(data).to_bytes(4, "big") + data + b"\0" * (len(data) % 2)
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body


class Authority:
    """A certificate that signs others, and one that it signed, with which manifests are signed."""

    def __init__(self):
        from cryptography.hazmat.primitives.asymmetric import ec

        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._certificate("Example Root", self.root_key, "Example Root", is_root=True)
        self.signer = self._certificate("Example Signer", self.key, "Example Root", is_root=False)

    @property
    def anchors(self) -> str:
        """The root in PEM, for who trusts it."""
        return self._pem(self.root)

    def sign(self, content: bytes, kind: str, actions: list[dict] | None = None) -> bytes:
        """The same file with a manifest that names these actions."""
        import c2pa
        from cryptography.hazmat.primitives import serialization as form

        key = self.key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        chain = (self._pem(self.signer) + self._pem(self.root)).encode()
        manifest = {
            "claim_generator_info": [{"name": "Example Camera Club", "version": "1"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions or [CREATED]}}],
        }
        settings = {"builder": {"thumbnail": {"enabled": False}}}
        signed = io.BytesIO()
        builder = c2pa.Builder(json.dumps(manifest), context=c2pa.Context.from_dict(settings))
        builder.sign(c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain, key, None)), MIME[kind], io.BytesIO(content), signed)
        return signed.getvalue()

    def _certificate(self, name: str, key, issuer: str, is_root: bool):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        def named(common: str):
            return x509.Name(
                [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example News"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
            )

        start = datetime.datetime(2024, 1, 1)
        made = x509.CertificateBuilder(
            issuer_name=named(issuer), subject_name=named(name), public_key=key.public_key(),
            serial_number=x509.random_serial_number(), not_valid_before=start, not_valid_after=start.replace(year=2074),
        )
        made = made.add_extension(x509.BasicConstraints(is_root, None), True)
        made = made.add_extension(x509.KeyUsage(not is_root, False, False, False, False, is_root, is_root, False, False), True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key()), False)
        if not is_root:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        return made.sign(self.root_key, hashes.SHA256())

    @staticmethod
    def _pem(certificate) -> str:
        from cryptography.hazmat.primitives.serialization import Encoding

        return certificate.public_bytes(Encoding.PEM).decode()
