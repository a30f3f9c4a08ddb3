"""The least that a program can do to learn of ExternalSecrets: one watch, each status written down as it comes.

    bare_watch.py URL CA_FILE TOKEN RESULT

Ends with its standard input. What a proof takes is measured above this.
"""

import json
import ssl
import sys
import threading
import time
from pathlib import Path

import urllib3

url, authority, token, result = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
context.verify_flags &= ~ssl.VERIFY_X509_STRICT
seen: dict[str, float] = {}


def watch() -> None:
    answer = urllib3.PoolManager(ssl_context=context).request(
        "GET",
        f"{url}/apis/external-secrets.io/v1/externalsecrets?watch=true&timeoutSeconds=600",
        headers={"Authorization": f"Bearer {token}"},
        preload_content=False,
    )
    rest = b""
    for chunk in answer.stream(None):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(None, lines):
            now = time.time()
            thing = json.loads(line)["object"]
            metadata = thing["metadata"]
            synced = thing.get("status", {}).get("syncedResourceVersion", "")
            seen.setdefault(f"{metadata['namespace']}/{metadata['name']} {synced}", now)


threading.Thread(target=watch, daemon=True).start()
sys.stdin.read()
Path(result).write_text(json.dumps(seen))
