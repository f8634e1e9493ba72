"""The pages in a real headless Chromium: filters, sorting, hostile names, narrow screens, no request to anywhere."""

import os
import shutil
from pathlib import Path

import pytest

from modelheir import report

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage"),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        if os.environ.get("CI") is None:
            pytest.skip("no Chromium with its driver on this machine")
        pytest.fail("CI must have Chromium and chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = Service(DRIVER)
    driver = webdriver.Chrome(service=service, options=options)
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, tmp_path, result, chosen, images):
    path = report.write_compare(tmp_path / "page.html", result, flipped=chosen, names=("v1", "v2"), images=images)
    for log in ("performance", "browser"):
        browser.get_log(log)
    browser.get(Path(path).as_uri())
    return browser


def cards(browser):
    return browser.execute_script("return [...document.querySelectorAll('.flip')].filter(c => c.offsetParent).length")


def choose(browser, number, value):
    from selenium.webdriver.support.select import Select

    Select(browser.find_elements("css selector", ".filters select")[number]).select_by_value(value)


def test_filters_count_cards(opened):
    said = opened.find_element("css selector", ".filters output")
    assert (cards(opened), said.text) == (4, "4 of 4 shown")
    choose(opened, 1, "positive")
    assert (cards(opened), said.text) == (2, "2 of 4 shown")
    choose(opened, 0, "</script>")
    assert (cards(opened), said.text) == (1, "1 of 4 shown")
    choose(opened, 1, "negative")
    assert (cards(opened), said.text) == (0, "0 of 4 shown")
    choose(opened, 1, "")
    choose(opened, 0, "<script>alert(1)</script>")
    assert cards(opened) == 2


def test_hostile_names_are_text_and_nothing_is_requested(opened):
    import json

    text = opened.find_element("css selector", "#flips").text
    assert "<script>alert(1)</script>" in text
    assert "</script>" in text
    assert opened.execute_script("return document.scripts.length") == 2
    asked = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    sent = [m["params"] for m in asked if m["method"] == "Network.requestWillBeSent"]
    ours = [one for one in sent if not one["documentURL"].startswith("chrome:")]  # not the browser's own first page
    urls = [one["request"]["url"] for one in ours]
    assert opened.current_url in urls
    assert all(url.startswith(("file:", "data:")) for url in urls), urls
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_policy_stops_an_injected_script_and_a_request(opened):
    opened.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.broken = 1'; document.body.append(s);"
        "const i = new Image(); i.onerror = () => { window.stopped = 1; }; i.src = 'http://127.0.0.1:9/x.png';"
    )
    assert opened.execute_script("return window.broken === undefined")
    refused = [entry["message"] for entry in opened.get_log("browser")]
    assert any("img-src" in message for message in refused)


def test_a_click_sorts_the_classes(opened):
    def names():
        return [cell.text for cell in opened.find_elements("css selector", "#classes tbody th")]

    head = opened.find_elements("css selector", "#classes thead button")
    head[0].click()
    assert names() == sorted(names())
    head[0].click()
    assert names() == sorted(names(), reverse=True)
    head[1].click()
    assert names()[0] == "<script>alert(1)</script>"  # the most new mistakes
    assert (
        opened.find_element("css selector", "#classes thead th:nth-child(2)").get_attribute("aria-sort") == "descending"
    )


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_never_scrolls_sideways(opened, width):
    size = {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": width < 600}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_table_that_goes_on_is_shaded_at_its_cut_edge(opened):
    import io

    import numpy as np
    from PIL import Image

    def edges():
        """Return the usual colours at the left and right edge of the table of classes, and of the card around it."""
        box = opened.execute_script(
            "const box = document.querySelector('#classes .scroll'); box.scrollIntoView({block: 'center'});"
            "const r = box.getBoundingClientRect(); return [r.left, r.right, r.top, r.bottom].map(Math.round)"
        )
        left, right, top, bottom = box
        with Image.open(io.BytesIO(opened.get_screenshot_as_png())) as picture:
            colours = np.asarray(picture.convert("RGB"), int)[top + 60 : bottom - 4]
        return [np.median(colours[:, x], axis=0) for x in (left + 1, right - 2, left - 6)]

    size = {"width": 390, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        left, right, card = edges()
        assert np.abs(right - card).max() > 30
        assert np.abs(left - card).max() == 0
        opened.execute_script("document.querySelector('#classes .scroll').scrollLeft = 10000")
        left, right, card = edges()
        assert np.abs(left - card).max() > 30
        assert np.abs(right - card).max() == 0
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_of_many_runs_fits_a_phone(browser, tmp_path, chosen, images):
    ends = {"nfr_interval": [0.01, 0.03], "error_interval": [0.08, 0.12], "nfr_difference": -0.01}
    runs = [{"name": "n" * 60, "error": 0.1, "nfr": 0.02, "seeds": [1, 2, 3], "gate": {"verdict": "ship"}, **ends}]
    runs.append({"name": "b", "failed": "https://" + "x" * 90})
    provenance = {"b": {"command": ["modelheir", "--data", "y" * 200], "dirty": True}}
    path = report.write_runs(
        tmp_path / "runs.html", runs, note="z" * 100, flipped=chosen, images=images, provenance=provenance
    )
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get(path.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    choose(browser, 1, "negative")
    assert cards(browser) == 1


@pytest.mark.parametrize("paired", [False, True])
def test_the_gate_is_on_the_screen_of_a_phone(browser, tmp_path, paired):
    row = {"error": 0.1, "error_interval": [0.08, 0.12], "nfr": 0.02, "nfr_interval": [0.01, 0.03], "seeds": [1, 2, 3]}
    row |= {"relative_nfr": 0.2, "relative_nfr_interval": [0.1, 0.3], **({"nfr_difference": -0.01} if paired else {})}
    reasons = ["NFR is 2.00% [1.00%, 3.00%]: its upper end is above 2.00%."]
    runs = [{**row, "name": "focal distillation", "gate": {"verdict": "hold", "reasons": reasons}}]
    path = report.write_runs(tmp_path / "runs.html", runs)
    size = {"width": 390, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        browser.get(path.as_uri())
        right, cut = browser.execute_script(
            "const edge = (name) => document.querySelector(name).getBoundingClientRect().right;"
            "return [edge('#runs td.word'), edge('#runs .scroll')]"
        )
        assert right <= cut
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_page_reads_without_scripts(opened):
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.refresh()
        assert len(opened.find_elements("css selector", ".flip")) == 4
        assert not opened.find_element("css selector", ".filters").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
