"""Looks at pages of --report as a browser lays them out: nothing may stick out, every text must be read against what it stands on.

    check_reports.py FOLDER [--pictures]     pages that are there; --pictures leaves PNGs and PDFs beside them

With RECAST in the environment, pages of the small model are written to FOLDER first. Needs Chromium and nothing else; without it
the checks are skipped, and say so. `make screenshots` runs it.
"""

import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

WIDTHS = (360, 390, 768, 1280)
TINY = pathlib.Path(__file__).resolve().parents[2] / "Fixtures/qwen2-tiny"

# Runs beside the page, not in it: the page allows no script. Each frame is as wide as a device.
PROBE = r"""
const wait = frame => new Promise(done => { frame.onload = done });
const parts = text => (text.match(/[\d.]+/g) || []).map(Number);
function luminance(color) {
  const [r, g, b] = parts(color).map(v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a, b) {
  const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
  return (x + 0.05) / (y + 0.05);
}
function ground(element, view) {
  for (let e = element; e; e = e.parentElement) {
    const color = view.getComputedStyle(e).backgroundColor;
    if (parts(color)[3] !== 0) return color;
  }
  return 'rgb(255, 255, 255)';
}
const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
const said = (e, text) => `${e.tagName}.${e.getAttribute('class') || ''} "${e.textContent.trim().slice(0, 40)}" ${text}`;
async function measure(width) {
  const frame = document.createElement('iframe');
  frame.style.cssText = `border:0;width:${width}px;height:900px`;
  frame.srcdoc = PAGE;
  document.body.append(frame);
  await wait(frame);
  const [doc, view] = [frame.contentDocument, frame.contentWindow];
  const result = { width, dark: view.matchMedia('(prefers-color-scheme: dark)').matches, outside: [], small: [], faint: [], marks: [] };
  result.scrollWidth = doc.scrollingElement.scrollWidth;
  result.clientWidth = doc.scrollingElement.clientWidth;
  result.fetched = view.performance.getEntriesByType('resource').length;
  result.scripts = doc.scripts.length;
  for (const e of doc.body.querySelectorAll('*')) {
    const box = e.getBoundingClientRect();
    if (!box.width || e.closest('details:not([open])') && !e.closest('summary')) continue;
    if (!e.closest('.scroll') && !e.closest('svg') && box.right > result.clientWidth + 1) result.outside.push(said(e, box.right));
    const style = view.getComputedStyle(e);
    if (!e.closest('svg')) {
      if (!own(e)) continue;
      const ratio = contrast(style.color, ground(e, view));
      if (ratio < 4.5) result.faint.push(said(e, ratio.toFixed(2)));
      if (parseFloat(style.fontSize) < 11) result.small.push(said(e, style.fontSize));
    }
  }
  for (const svg of doc.querySelectorAll('svg')) {
    const edge = svg.getBoundingClientRect();
    const scale = edge.width / svg.viewBox.baseVal.width;
    const card = ground(svg, view);
    for (const e of svg.querySelectorAll('text')) {
      const box = e.getBoundingClientRect();
      if (box.left < edge.left - 2 || box.right > edge.right + 2 || box.top < edge.top - 3 || box.bottom > edge.bottom + 3)
        result.outside.push(said(e, `${box.left - edge.left}–${box.right - edge.left} of ${edge.width}`));
      const size = parseFloat(view.getComputedStyle(e).fontSize) * scale;
      const isInside = e.classList.contains('in');
      if (size < (isInside ? 7 : 8.5)) result.small.push(said(e, size));
      const under = isInside ? view.getComputedStyle(e.previousElementSibling).fill : card;
      const ratio = contrast(view.getComputedStyle(e).fill, under);
      if (ratio < 4.5) result.faint.push(said(e, ratio.toFixed(2)));
    }
    for (const e of svg.querySelectorAll('[class^=s],[class="line"],.rest')) {
      const style = view.getComputedStyle(e);
      const ratio = contrast(style.fill === 'none' ? style.stroke : style.fill, card);
      if (ratio < 3) result.marks.push(said(e, ratio.toFixed(2)));
    }
  }
  for (const key of ['outside', 'small', 'faint', 'marks']) result[key] = [...new Set(result[key])].slice(0, 5);
  frame.remove();
  return result;
}
(async () => {
  const results = [];
  for (const width of WIDTHS) results.push(await measure(width));
  document.getElementById('result').textContent = JSON.stringify(results);
})();
"""


def report(name, passed, detail=""):
    print("ok" if passed else "FAIL", name, detail, flush=True)
    return passed


def chromium(*arguments, profile):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}", *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout


def measured(page, is_dark, work):
    """What the browser makes of a page at every width, in one colour scheme."""
    text = json.dumps(page.read_text()).replace("</", "<\\/").replace("<!--", "<\\!--")
    harness = work / "harness.html"
    harness.write_text(
        "<!DOCTYPE html><meta charset=utf-8><body><pre id=result></pre><script>"
        f"const WIDTHS = {list(WIDTHS)}; const PAGE = {text};{PROBE}</script>"
    )
    document = chromium(
        f"--blink-settings=preferredColorScheme={0 if is_dark else 1}", "--window-size=1400,1000",
        "--virtual-time-budget=20000", "--dump-dom", harness.as_uri(), profile=work / "profile",
    )
    found = re.search(r'<pre id="result">(.*?)</pre>', document, re.S)
    if not found or not found.group(1):
        raise RuntimeError("the browser said nothing")
    return json.loads(html.unescape(found.group(1)))


def check(page, work):
    passed = True
    for is_dark in (False, True):
        scheme = "dark" if is_dark else "light"
        for found in measured(page, is_dark, work):
            problems = [f"{key}: {found[key]}" for key in ("outside", "small", "faint", "marks") if found[key]]
            if found["dark"] != is_dark:
                problems.append("the colour scheme did not take")
            if found["scrollWidth"] > found["clientWidth"]:
                problems.append(f"{found['scrollWidth']} wide in {found['clientWidth']}")
            if found["fetched"] or found["scripts"]:
                problems.append("something was fetched, or is a script")
            passed &= report(f"report-{page.stem}-{scheme}-{found['width']}", not problems, "; ".join(problems)[:600])
    return passed


def pictures(page, work):
    for width, height in ((390, 6000), (1280, 4000)):
        for is_dark in (False, True):
            target = page.with_name(f"{page.stem}-{width}-{'dark' if is_dark else 'light'}.png")
            chromium(
                f"--blink-settings=preferredColorScheme={0 if is_dark else 1}", f"--window-size={width},{height}",
                f"--screenshot={target}", page.as_uri(), profile=work / "profile",
            )
    chromium(
        "--no-pdf-header-footer", f"--print-to-pdf={page.with_suffix('.pdf')}", page.as_uri(), profile=work / "profile")


def write_pages(recast, folder):
    def run(*arguments, status=0):
        done = subprocess.run([recast, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != status:
            raise RuntimeError(f"{arguments}: exit status {done.returncode}: {done.stderr.strip()[-300:]}")

    quantized = folder / "tiny.gguf"
    run("inspect", TINY, "--report", folder / "inspect.html", "--force")
    run("quantize", TINY, quantized, "--target-size", "2MB", "--calibration", TINY / "text/poetry.txt", "--force",
        "--report", folder / "quantize.html")
    run("diff", TINY, quantized, "--report", folder / "diff.html", "--force", status=1)
    run("diff", TINY, TINY, "--report", folder / "diff-equal.html", "--force")
    texts = [word for name in ("prose", "code", "poetry") for word in ("--text", f"{name}={TINY}/text/{name}.txt")]
    run("compare", TINY, quantized, *texts, "--tensors", "--max-kld", "0.5", "--min-cosine", "0.9999", "--report",
        folder / "compare.html", "--force", status=1)
    run("probe", TINY, "--prompt", "The captain of the ship said unto them", "--layers", "--attention", "2", "--report",
        folder / "probe.html", "--force")


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if os.environ.get("RECAST"):
        write_pages(os.environ["RECAST"], folder)
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        print("skip reports Chromium is not there")
        return 0
    passed = True
    pages = sorted(folder.glob("*.html"))
    with tempfile.TemporaryDirectory() as work:
        for page in pages:
            passed &= check(page, pathlib.Path(work))
            if "--pictures" in sys.argv:
                pictures(page, pathlib.Path(work))
    return 0 if passed and pages else 1


if __name__ == "__main__":
    sys.exit(main())
