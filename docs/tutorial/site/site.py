"""A small news site with a login, as it is before it has likes. Usage: python3 site.py PORT"""

import http.server
import json
import secrets
import sys
from contextlib import suppress
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

HERE = Path(__file__).parent
ARTICLES = json.loads((HERE / "articles.json").read_text())
PASSWORDS = {"ada": "tea", "ben": "milk"}
# Which reader is signed in, by the cookie that the login sets.
SESSIONS = {}


class Site(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        folder, _, name = self.path.strip("/").partition("/")
        if folder == "articles" and name in ARTICLES:
            self.page(name)
        elif folder == "static":
            self.path = "/" + name
            super().do_GET()
        else:
            self.send_error(404)

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        reader, password = form.get("reader", [""])[0], form.get("password", [""])[0]
        if self.path != "/login" or not password or PASSWORDS.get(reader) != password:
            return self.send_error(403)
        session = secrets.token_urlsafe()
        SESSIONS[session] = reader
        self.send_response(303)
        self.send_header("Set-Cookie", f"session={session}; HttpOnly; SameSite=Lax; Path=/")
        self.send_header("Location", self.headers.get("Referer", "/articles/harbour"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def reader(self):
        """Who is signed in, or None."""
        session = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        return SESSIONS.get(session.value) if session else None

    def page(self, article):
        template = Template((HERE / "page.html").read_text())
        values = {"article": article, **ARTICLES[article], "reader": self.reader() or "nobody"}
        self.answer(template.substitute(values), "text/html; charset=utf-8")

    def answer(self, text, content_type):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), partial(Site, directory=HERE / "static"))
    print(f"the site is at http://127.0.0.1:{server.server_port}/articles/harbour", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()
