#!/usr/bin/env python3
"""Holds the audit in an export of a practice against its seals, without Labor. Needs Python 3 and OpenSSL 3.

usage: check-audit.py FOLDER PUBLIC_KEY...      (the export's folder; the keys that the seals are signed with, in PEM)

Checked: every seal is signed, follows the one before it, and has the rows that it was signed for; every sealed row is in
tables/audit.ndjson as it was; rows that no seal has are counted, and are faults when they are older than what was sealed.
"""
import base64, datetime, glob, hashlib, json, os, subprocess, sys, tempfile

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


with open(os.path.join(folder, "tables", "audit.ndjson"), encoding="utf-8") as file:
    rows = {row["id"]: row for row in map(json.loads, file)}

sealed, previous, until = set(), None, None
for number, path in enumerate(sorted(glob.glob(os.path.join(folder, "audit", "*.seal"))), 1):
    with open(path, "rb") as file:
        first, signature, *lines = file.read().split(b"\n")[:-1]
    header = json.loads(first)
    if not signed(first, base64.b64decode(signature)):
        faults.append(f"seal {number}: not signed by one of the keys")
    if header["number"] != number or header.get("previous") != previous:
        faults.append(f"seal {number}: it does not follow the one before it")
    if header["root"] != root([sha256(b"\x00" + line) for line in lines]).hex():
        faults.append(f"seal {number}: its rows are not those that it was signed for")
    for place, line in enumerate(lines, 1):
        id, expected = line.decode().split(" ")
        values = [rows.get(id, {}).get(column) for column in header["columns"]]
        content = json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
        if id not in rows:
            faults.append(f"audit row {id} (row {place} of seal {number}) was removed since it was sealed")
        elif sha256(content).hex() != expected:
            faults.append(f"audit row {id} (row {place} of seal {number}) was altered since it was sealed")
        sealed.add(id)
    previous, until = sha256(first).hex(), header.get("complete_until", until)

time = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00")[:19] + "+00:00")
others = [row for id, row in rows.items() if id not in sealed]
faults += [
    f"audit row {row['id']} says {row['at']} and is in no seal of that time"
    for row in others
    if until and time(row["at"]) < time(until) - datetime.timedelta(hours=1)
]
print(f"{len(sealed)} rows in the seals, {len(others)} others; head {previous}")
print("\n".join(faults) or "everything holds")
sys.exit(1 if faults else 0)
