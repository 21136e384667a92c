"""A headless Chromium that opens a page and notes errors, and the hosts it was made to ask."""

import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

from missing_software import Missing
from playwright.sync_api import sync_playwright

WIDE, NARROW = (1280, 900), (390, 844)


class Seen:
    """A page that the browser has opened.

    Attributes:
        page: Playwright's.
        complaints: what the browser had to say: violations of the policy, errors of scripts, failed requests.
        hosts: every host it sent a request to.
    """

    def __init__(self, page):
        self.page, self.complaints, self.hosts = page, [], set()
        page.on("console", lambda said: self.complaints.append(said.text) if said.type != "log" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def opened(self, url):
        """Open the page, and wait until it has loaded its data."""
        self.page.goto(url)
        self.page.locator("#matches .matches, #matches .empty").wait_for()
        return self


def chromium():
    """Where the browser is."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise Missing("chromium is not installed: .ci/install-servers, or apt-get install chromium")
    return path


@contextmanager
def browsing():
    """A function that opens a page: `(name, token, size, scheme) -> Seen`."""
    path = chromium()
    with sync_playwright() as playwright:
        # Its sandbox needs rights that containers do not have.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])

        def page(name, token, size=WIDE, scheme="light"):
            width, height = size
            context = browser.new_context(
                http_credentials={"username": name, "password": token},
                viewport={"width": width, "height": height},
                color_scheme=scheme,
            )
            context.set_default_timeout(20_000)
            return Seen(context.new_page())

        try:
            yield page
        finally:
            browser.close()
