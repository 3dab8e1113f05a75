"""The browser: pages, tabs, forms, downloads, files, and what goes wrong with them."""

from __future__ import annotations

import base64
from typing import Any

from scenario import Scenario, Step, act, edit, read, run

from openhands_ray.worker.browser import LOST_BEFORE

DIFFERENCES = {
    "browse a file": "`browse` opens `file:`, `data:` and `about:` addresses and paths of files that exist, where "
    "OpenHands puts its working folder before every address that does not start with `http`, which no browser opens.",
    "failing browser": "Where the browser fails the agent is told: OpenHands raises at an action that fails in a "
    "session which has downloaded nothing yet, and, once its browser has died, lets each action wait for 120 s for "
    "nothing; here a new browser is started.",
}

# A red dot, 2 by 2 pixels.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg=="
)

_VIEWS = (
    "view?path=/workspace/dot.png",
    "view?path=/workspace/notes.txt",
    "view?path=/workspace/missing.pdf",
    "view?path=relative.pdf",
    "view?path=/workspace",
    "view",
    "other",
    "",
)

# Makes pages that go to the file viewer, whose port no action can know.
_LINKS = "".join(
    f"echo \"<meta http-equiv=refresh content='0; url=$(cat /tmp/oh-server-url)/{query}'>\" > /tmp/{number}.html\n"
    for number, query in enumerate(_VIEWS)
)

_NOTHING_TO_SEE = (
    "Accessibility tree of the COMPLETE webpage:\nNote: [bid] is the unique alpha-numeric identifier at the beginning "
    "of lines for each element in the AXTree. Always use bid to refer to elements in your actions.\n"
    "============== BEGIN accessibility tree ==============\n{}\n"
    "============== END accessibility tree ==============\n"
)


def _error(text: str) -> str:
    return (
        "================ BEGIN error message ===============\nThe following error occurred when executing the last "
        f"action:\n{text}\n================ END error message ===============\n"
    )


def browse(url: Any, differs: str | None = None, ours: dict[str, Any] | None = None, **args: Any) -> Step:
    return act("browse", None, differs, ours, url=url, **args)


def interact(browser_actions: Any, differs: str | None = None, ours: dict[str, Any] | None = None, **args: Any) -> Step:
    return act("browse_interactive", None, differs, ours, browser_actions=browser_actions, **args)


# What we answer where OpenHands cannot open the address of a file.
_FILE = {
    "content": "[Current URL: file:///workspace/page.html]\n============== BEGIN webpage content ==============\n"
    "#  Local \n\n============== END webpage content ==============\n",
    "url": "file:///workspace/page.html",
    "error": False,
    "open_pages_urls": ["file:///workspace/page.html"],
    "last_browser_action": 'goto("file:///workspace/page.html")',
    "last_browser_action_error": "",
    "focused_element_bid": "3",
    "marks_differ_from_screenshot": False,
}

# Until something has been downloaded, OpenHands raises where an action of the browser fails.
_FIRST = interact("goto('<site>/file')")

SCENARIOS = [
    Scenario(
        "pages",
        "what `browse` gives of pages, redirects, errors of servers and of addresses",
        (
            _FIRST,
            browse("<site>/"),
            browse("<site>/", return_axtree=True),
            browse("<site>/text"),
            browse("<site>/empty"),
            browse("<site>/huge"),
            browse("<site>/redirect"),
            browse("<site>/refresh"),
            browse("<site>/loop"),
            browse("<site>/missing"),
            browse("<site>/error"),
            browse("<site>/nothing"),
            browse("<site>/reset"),
            browse("<site>/private"),
            interact("goto('<site>/private'.replace('//', '//user:pass@'))"),
            browse("<closed port>/"),
            browse("<secure site>/"),
            browse("no-scheme.example"),
            browse(""),
            browse("http://"),
            browse("https://no-such-host.invalid/"),
            browse('http://"quoted"/'),
            browse("<site>/second#part", return_axtree=True),
        ),
        browser=True,
    ),
    Scenario(
        "interaction",
        "BrowserGym's calls on a page, one and several in an action, with the tree of elements",
        (
            _FIRST,
            interact("goto('<site>/')", return_axtree=True),
            interact('fill("10", "typed \\"text\\"")\nclick("15")', return_axtree=True),
            interact('fill("4", "no field")'),
            interact('click("4000")'),
            interact('click("16")'),
            interact('select_option("11", "blue")', return_axtree=True),
            interact('press("10", "ArrowLeft")'),
            interact("hover('7')"),
            interact("dblclick('8')"),
            interact("focus('10')"),
            interact("clear('10')"),
            interact("scroll(0, 400)", return_axtree=True),
            interact('fill("a5", "inside the frame")'),
            interact("goto('<site>/form')"),
            interact("fill('4', 'one')\nclick('6')\nselect_option('7', ['p', 'q'])\nfill('10', 'two\\nlines')"),
            interact("click('11')"),
            interact("go_back()"),
            interact("go_forward()"),
            interact("goto('<site>/frames')", return_axtree=True),
            interact("goto('<site>/huge')"),
        ),
        browser=True,
    ),
    Scenario(
        "tabs and dialogs",
        "new tabs, windows that pages open, dialogs, leaving a page that asks",
        (
            _FIRST,
            interact("goto('<site>/popup')"),
            interact("click('4')"),
            interact("tab_focus(0)"),
            interact("click('5')"),
            interact("new_tab()\ngoto('<site>/second')"),
            interact("tab_focus(7)"),
            interact("tab_close()"),
            interact("tab_close()"),
            interact("tab_close()"),
            interact("tab_close()"),
            interact("goto('<site>/dialog')"),
            interact("goto('<site>/ask')"),
            interact("goto('<site>/leave')"),
            interact("goto('<site>/second')"),
            interact("goto('about:blank')"),
            interact("goto('data:text/html,<p>given</p>')"),
            interact("noop(10)", return_axtree=False),
            interact("goto('<site>/')"),
            interact("click('30')"),
            interact("tab_close()"),
        ),
        browser=True,
    ),
    Scenario(
        "downloads",
        "a file that an action downloads is placed in the workspace and reported, and so are the next ones",
        (
            interact("goto('<site>/file')"),
            interact("goto('<site>/table.csv')"),
            read("/workspace/file_2.csv"),
            interact("goto('<site>/file')"),
            interact("nonsense()"),
            interact("goto('<site>/downloads')"),
            interact("click('5')"),
            interact("nonsense()"),
            read("/workspace/file_4.txt"),
            edit("view", "/workspace"),
        ),
        browser=True,
    ),
    Scenario(
        "files",
        "files of the workspace by address and in OpenHands' file viewer, and what the viewer refuses",
        (
            _FIRST,
            interact("goto('file:///workspace/page.html')"),
            interact("goto('file:///workspace/')"),
            interact("goto('file:///workspace/missing.html')"),
            interact("goto('file:///workspace/dot.png')"),
            interact("goto('file:///workspace/notes.txt')"),
            run("sh links.sh"),
            *(interact(f"goto('file:///tmp/{number}.html')") for number in range(len(_VIEWS))),
            browse("<site>/second"),
            run("ls .browser_screenshots | wc -l; head -c 4 .browser_screenshots/* | grep -c PNG"),
        ),
        files={
            "page.html": b"<title>P</title><h1>Local</h1><img src=dot.png alt=dot>",
            "dot.png": PNG,
            "notes.txt": b"x",
            "links.sh": _LINKS.encode(),
        },
        browser=True,
    ),
    Scenario(
        "bad input",
        "what is no call, or no text; the browser is of use afterwards",
        (
            interact(
                "nonsense()",
                differs="failing browser",
                ours={
                    "observation": "browse",
                    "content": "[Current URL: about:blank]\n[Focused element bid: 2]\n[Screenshot saved to: "
                    "/workspace/.browser_screenshots/screenshot_<clock>.png]\n\n"
                    + _error("NameError: Invalid action type 'nonsense'.")
                    + _NOTHING_TO_SEE.format("RootWebArea '', focused, url='about:blank'\n\t[2] generic"),
                    "url": "about:blank",
                    "trigger_by_action": "browse_interactive",
                    "screenshot": ["data:image/png;base64", 1280, 720],
                    "screenshot_path": "/workspace/.browser_screenshots/screenshot_<clock>.png",
                    "set_of_marks": ["data:image/png;base64", 1280, 720],
                    "marks_differ_from_screenshot": False,
                    "error": True,
                    "goal_image_urls": [],
                    "open_pages_urls": ["about:blank"],
                    "active_page_index": 0,
                    "dom_object": {},
                    "axtree_object": [],
                    "extra_element_properties": {},
                    "last_browser_action": "nonsense()",
                    "last_browser_action_error": "NameError: Invalid action type 'nonsense'.",
                    "focused_element_bid": "2",
                    "filter_visible_only": False,
                },
            ),
            _FIRST,
            interact(""),
            interact("   \n"),
            interact("# only a comment"),
            interact("nonsense()"),
            interact("click()"),
            interact("click('1'"),
            interact("goto(5)"),
            interact("goto('')"),
            interact("goto('no scheme')"),
            interact("goto('nul\0byte')"),
            interact("goto('http://[')"),
            interact("import os; os.system('touch /workspace/escaped')"),
            interact("__import__('os').system('touch /workspace/escaped')"),
            interact("click('1', button='none')"),
            interact("fill('1')"),
            interact("send_msg_to_user(1)"),
            interact("send_msg_to_user('hello')"),
            interact("report_infeasible('no way')"),
            interact("noop(wait_ms='x')"),
            interact("keyboard_press('NoSuchKey')"),
            interact("x" * 5000),
            interact(5),
            interact(None),
            interact(["noop()"]),
            interact("goto('<site>/second')"),
            edit("view", "/workspace"),
        ),
        browser=True,
    ),
    Scenario(
        "browse files",
        "files, by address and by path, in the action that takes an address",
        (
            browse("<site>/second"),
            browse("/workspace/missing.html"),
            browse("file:///workspace/page.html", differs="browse a file", ours=_FILE),
            browse("page.html", differs="browse a file", ours=_FILE),
        ),
        files={"page.html": b"<title>P</title><h1>Local</h1>"},
        browser=True,
    ),
    Scenario(
        "lost browser",
        "a browser that was killed",
        (
            _FIRST,
            interact("goto('<site>/second')"),
            run("pkill -KILL chromium; echo killed"),
            interact(
                "noop(10)",
                differs="failing browser",
                ours={
                    "content": "[Current URL: ]\n[Focused element bid: ]\n\n"
                    + _error(LOST_BEFORE)
                    + "\n[Error encountered when processing the accessibility tree: 'nodes']",
                    "last_browser_action_error": LOST_BEFORE,
                },
            ),
        ),
        browser=True,
    ),
    Scenario(
        "no browser",
        "a configuration without a browser",
        (browse("<site>/"), interact("noop()"), run("echo goes on")),
    ),
]
