"""Series, records and files that the tests of FITS headers share, made from recorded answers and real headers."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.io import fits

from jsoclite.fits import cards as fitscard
from jsoclite.fits.files import units
from jsoclite.times import words

GOLDEN = Path(__file__).parent / "golden"
REAL = GOLDEN / "fits-headers"


def body(name):
    """The recorded series_struct of a series."""
    for file in ("jsoc_info.jsonl", "alias.jsonl"):
        for line in (GOLDEN / file).read_text().splitlines():
            entry = json.loads(line)
            asked = {key: value for key, value in entry["args"].items() if key != "n"}
            if asked == {"op": "series_struct", "ds": name}:
                return json.loads(entry["body"])
    raise KeyError(name)


def series(name):
    """`drms.SeriesInfo` of a recorded series."""
    import drms

    return drms.SeriesInfo(body(name), name=name)


def made_series(keywords, *, segments=("image",), primekeys=("T_REC",), name="test.series"):
    """`drms.SeriesInfo` of made-up keywords: (name, type, units, note[, recscope])."""
    import drms

    fields = ("name", "type", "units", "note", "recscope")
    rows = [dict(zip(fields, (*keyword, "variable")[:5], strict=True)) for keyword in keywords]
    described = [{"name": segment} for segment in segments]
    return drms.SeriesInfo(
        {"keywords": rows, "links": [], "segments": described, "primekeys": list(primekeys)}, name=name
    )


def printed(name, recnum):
    """A record of the recorded catalogue, as rs_list prints it with M=1 (drms_keyword_snprintfval2)."""
    definition = json.loads((GOLDEN / "catalog" / f"{name}.definition.json").read_text())
    lines = (GOLDEN / "catalog" / f"{name}.records.jsonl").read_text().splitlines()
    row = next(found for found in map(json.loads, lines) if found["recnum"] == recnum)
    answer = {"*recnum*": recnum}
    for keyword in definition["drms_keyword"]:
        value, kind = row.get(keyword["keywordname"].lower(), keyword["defaultval"]), keyword["type"]
        if value in (None, "", "nan") or (kind == "time" and not isinstance(value, str) and value < -1e11):
            text = "MISSING"
        elif kind == "float":
            text = format(float(np.float32(value)), ".9G")
        elif kind == "double":
            text = format(float(value), ".17G")
        elif kind == "time":
            seconds = words.scan_time(value) if isinstance(value, str) else value
            text = words.format_time(seconds, keyword["unit"], 6)
        else:
            text = str(value)
        answer[keyword["keywordname"]] = text
    return answer


def real_cards(name):
    """Cards of a header of a real file."""
    lines = (REAL / f"{name}.header").read_text().splitlines()
    return [line.ljust(80) for line in lines if line.strip() and line.strip() != "END"]


_COMMENT = re.compile(r"(?:\[([^\]]*)\] ?)?(\(MISSING\) ?)?(.*?)(?: ?\{(\w*)\}?)?")
# the names that the 80th column cut off
_CUT = {"LAT_FWTPO": "LAT_FWTPOS", "LON_FWTP": "LON_FWTPOS", "LAT_FWTNE": "LAT_FWTNEG", "LON_FWTN": "LON_FWTNEG"}


def reconstructed(cards):
    """From the cards of a real export back to (series, record, segment, recnum) that it must have been made from."""
    keywords, record, segment_number = {}, {}, 0
    named = {fitscard.name_of(card): card for card in cards}
    identity = re.search(r"'([^']*)'", named["DRMS_ID"])[1].strip().split(":")
    primekeys = re.search(r"'([^']*)'", named["PRIMARYK"])[1].strip().split(", ")
    for name, group in fitscard.groups(cards):
        if fitscard.is_structural(name) or name in ("RECNUM", "DRMS_ID", "PRIMARYK", "LICENSE", "HEADSUM", "LONGSTRN"):
            continue
        if name == "COMMENT":
            # present where the series has a keyword COMMENT; in these files it is empty
            keywords.setdefault("COMMENT", ("COMMENT", "string", "none", ""))
            record["COMMENT"] = "MISSING"
            continue
        unit, missing, text, drms_name = _COMMENT.fullmatch(fitscard.comment_of(group[-1])).groups()
        strings = [re.match(r".{10} *'((?:[^']|'')*)'", card) for card in group]
        number = group[0][10:].split("/")[0].strip()
        if missing or (not strings[0] and not number):
            kind, value = "double", "MISSING"
        elif strings[0]:
            pieces = [match[1].replace("''", "'").rstrip(" ") for match in strings]
            kind = "time" if unit in ("TAI", "ISO", "UTC") else "string"
            value = "".join(piece[:-1] for piece in pieces[:-1]) + pieces[-1] or " "
        elif re.fullmatch(r"[+-]?\d+", number):
            kind, value = "longlong", number
        else:
            kind, value = "double", format(float(number), ".17G")
        full = _CUT.get(drms_name, drms_name) or name
        scope = "variable"
        if re.fullmatch(r"\w+_\d{3}", full):
            segment_number, full, scope = int(full[-3:]), full[:-4], "segment"
        # a name that is not made from the DRMS name stands in brackets before the description
        by_rule = "".join(char for char in full.upper() if char.isalnum())[:8]
        alias = f"[{name}] " if full.upper() != name and by_rule != name else ""
        keywords[full] = (full, kind, unit or "none", alias + text, scope)
        record[f"{full}_{segment_number:03d}" if scope == "segment" else full] = value
    segments = [f"other{number}" for number in range(segment_number)] + [identity[2]]
    info = made_series(keywords.values(), segments=segments, primekeys=primekeys, name=identity[0])
    return info, record, identity[2], int(identity[1])


BLANK = -(2**31)
PIXELS = np.arange(-600, 600, dtype=np.int32).reshape(30, 40)
PIXELS[0, :3] = BLANK


def compressed(path, pixels=PIXELS, kind="RICE_1", **header):
    """A file as JSOC stores it: an empty primary, and the image compressed in an extension."""
    hdu = fits.CompImageHDU(pixels, compression_type=kind)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True, overwrite=True)
    # astropy would apply BSCALE and its kin to the pixels, each version in its own way
    raw = path.read_bytes()
    unit = next(unit for unit in units(BytesIO(raw)) if unit.is_image)
    extra = [fitscard.card(name, str(value)) for name, value in header.items()]
    path.write_bytes(raw[: unit.start] + fitscard.header_block([*unit.cards, *extra]) + raw[unit.data_start :])
    return path


def plain(path, pixels, *extra, before=()):
    """An image in the primary HDU, written without astropy's help."""
    pixels = np.asarray(pixels)
    bits = pixels.dtype.itemsize * (-8 if pixels.dtype.kind == "f" else 8)
    head = [fitscard.card("SIMPLE", "T"), fitscard.card("BITPIX", str(bits))]
    head += [fitscard.card("NAXIS", str(pixels.ndim))]
    head += [fitscard.card(f"NAXIS{axis}", str(size)) for axis, size in enumerate(reversed(pixels.shape), start=1)]
    data = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(fitscard.header_block([*head, *extra]) + data + bytes(-len(data) % 2880))
    return path
