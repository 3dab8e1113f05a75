"""What an agent sees of a page: its text, its accessibility tree, its pictures.

The sentences are OpenHands' own (`openhands.runtime.browser.utils`): agents are prompted with them.
Importing this module loads BrowserGym's formatters, Pillow and html2text.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import html2text
import numpy
from browsergym.utils.obs import flatten_axtree_to_str, flatten_dom_to_str, overlay_som
from PIL import Image

AXTREE_NOTE = (
    "Accessibility tree of the COMPLETE webpage:\n"
    "Note: [bid] is the unique alpha-numeric identifier at the beginning of lines for each element in the AXTree. "
    "Always use bid to refer to elements in your actions.\n"
)


def data_url(png: bytes) -> str:
    """The picture as it travels in an observation."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def page_text(dom: dict[str, Any]) -> str:
    """The page as Markdown: links kept, images left out, lines not wrapped."""
    # A converter for each page: it keeps state, and one unclosed tag would swallow the pages after it.
    converter = html2text.HTML2Text(bodywidth=0)
    converter.ignore_images = True
    converter.images_to_alt = True
    return str(converter.handle(flatten_dom_to_str(dom)))


def set_of_marks(screenshot: bytes, element_properties: dict[str, Any]) -> bytes:
    """The screenshot (PNG) with a labelled box around each element that can be used, as PNG."""
    if not any(element["set_of_marks"] and element["bbox"] for element in element_properties.values()):
        return screenshot
    with Image.open(io.BytesIO(screenshot)) as image:
        pixels = numpy.asarray(image.convert("RGB"))
    encoded = io.BytesIO()
    Image.fromarray(overlay_som(pixels, element_properties)).save(encoded, format="PNG")
    return encoded.getvalue()


def text_after_visit(extras: dict[str, Any], content: str) -> str:
    """What the agent reads after `browse`."""
    text = f"[Current URL: {extras['url']}]\n"
    if extras["error"]:
        text += _error_block("trying to visit the URL", extras)
    return (
        f"{text}============== BEGIN webpage content ==============\n"
        f"{content}\n============== END webpage content ==============\n"
    )


def text_after_interaction(extras: dict[str, Any]) -> str:
    """What the agent reads after `browse_interactive`."""
    text = f"[Current URL: {extras['url']}]\n[Focused element bid: {extras['focused_element_bid']}]\n"
    if extras["screenshot_path"]:
        text += f"[Screenshot saved to: {extras['screenshot_path']}]\n"
    text += "\n"
    if extras["error"]:
        text += _error_block("executing the last action", extras)
    else:
        text += "[Action executed successfully.]\n"
    try:
        return text + _axtree_block(extras)
    except Exception as error:
        return f"{text}\n[Error encountered when processing the accessibility tree: {error}]"


def _error_block(doing: str, extras: dict[str, Any]) -> str:
    return (
        "================ BEGIN error message ===============\n"
        f"The following error occurred when {doing}:\n"
        f"{extras['last_browser_action_error']}\n"
        "================ END error message ===============\n"
    )


def _axtree_block(extras: dict[str, Any]) -> str:
    tree = flatten_axtree_to_str(
        extras["axtree_object"],
        extra_properties=extras["extra_element_properties"],
        with_clickable=True,
        skip_generic=False,
    )
    return (
        f"{AXTREE_NOTE}============== BEGIN accessibility tree ==============\n"
        f"{tree}\n============== END accessibility tree ==============\n"
    )
