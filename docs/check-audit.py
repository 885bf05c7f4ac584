#!/usr/bin/env python3
"""Holds the audit in an export of a practice against its seals, without Labor. Needs Python 3 and OpenSSL 3.

usage: check-audit.py FOLDER PUBLIC_KEY...      (the export's folder; the keys that the seals are signed with, in PEM)

Checked: every seal is signed, follows the one before it, and has the rows that it was signed for; every sealed row is in
tables/audit.ndjson as it was; rows that no seal has are counted, and are faults when they are older than what was sealed; the
newest seal is the one that manifest.json names, whose own signature docs/operations.md says how to check.
"""
import base64, datetime, hashlib, json, os, subprocess, sys, tempfile

folder, keys = sys.argv[1], sys.argv[2:]
faults = []


def sha256(data):
    return hashlib.sha256(data).digest()


def root(leaves):  # RFC 6962, section 2.1
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"")
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:]))


def signed(header, signature):
    with tempfile.TemporaryDirectory() as scratch:
        paths = [os.path.join(scratch, name) for name in ("header", "signature")]
        for path, content in zip(paths, (header, signature)):
            with open(path, "wb") as file:
                file.write(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", "-in", paths[0], "-sigfile", paths[1], "-inkey"]
        return any(subprocess.run(command + [key], capture_output=True).returncode == 0 for key in keys)


time = lambda text: datetime.datetime.fromisoformat(text[:19] + "+00:00")
older = lambda row, until: until and time(row["at"]) < time(until) - datetime.timedelta(minutes=15)

with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
    manifest = json.load(file)
rows = {}
with open(os.path.join(folder, "tables", "audit.ndjson"), encoding="utf-8") as file:
    for row in map(json.loads, file):
        if row["id"] in rows:
            faults.append(f"audit row {row['id']} is there twice")
        rows[row["id"]] = row

sealed, previous, until = set(), None, None
seals = sorted(name for name in os.listdir(os.path.join(folder, "audit")) if name.endswith(".seal"))
for number, name in enumerate(seals, 1):
    with open(os.path.join(folder, "audit", name), "rb") as file:
        first, signature, *lines = file.read().split(b"\n")[:-1]
    if not signed(first, base64.b64decode(signature)):
        faults.append(f"seal {number}: not signed by one of the keys")
        break
    header = json.loads(first)
    if (header["what"], header["format"], header["tenant"]) != ("labor audit seal", 1, manifest["tenant"]):
        faults.append(f"seal {number}: it is none of this practice's")
    now = header.get("complete_until")
    back = until and (not now or time(now) < time(until))
    if header["number"] != number or header.get("previous") != previous or back:
        faults.append(f"seal {number}: it does not follow the one before it")
    if header["rows"] != len(lines) or header["root"] != root([sha256(b"\x00" + line) for line in lines]).hex():
        faults.append(f"seal {number}: its rows are not those that it was signed for")
    for place, line in enumerate(lines, 1):
        id, expected = line.decode().split(" ")
        values = [rows.get(id, {}).get(column) for column in header["columns"]]
        content = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
        if id not in rows:
            faults.append(f"audit row {id} (row {place} of seal {number}) was removed since it was sealed")
        elif sha256(content).hex() != expected:
            faults.append(f"audit row {id} (row {place} of seal {number}) was altered since it was sealed")
        elif id not in sealed and older(rows[id], until):
            faults.append(f"audit row {id} says {rows[id]['at']} and is in no seal of that time")
        sealed.add(id)
    previous, until = sha256(first).hex(), now

others = [row for id, row in rows.items() if id not in sealed]
faults += [f"audit row {row['id']} says {row['at']} and is in no seal of that time" for row in others if older(row, until)]
if manifest["audit"].get("head", {}).get("sha256") != previous:
    faults.append("the newest seal is not the one that the manifest names")
print(f"{len(sealed)} rows in the seals, {len(others)} others; head {previous}")
print("\n".join(faults) or ("everything in the seals holds" if seals else "there are no seals: nothing is proven"))
sys.exit(1 if faults or not seals else 0)
