"""Pages, feeds and letters."""

import codecs
import email.policy
import json
import xml.etree.ElementTree as ET
from email.message import EmailMessage
from html.parser import HTMLParser
from urllib.parse import urlsplit
from xml.dom import minidom


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.found.append(dict(attrs)["href"])

    def handle_endtag(self, tag):
        if tag == "nav":
            self.found.remove(tag)


def links(text):
    page = Links()
    page.feed(text)
    return page.found


def feed(text):
    return [title_of(item) for item in ET.fromstring(text).iter("item")]


def title_of(item):
    return item.find("title").text


def entries(text):
    return minidom.parseString(text).documentElement.getElementsByTagName("entry")[0].nodeName


def searched(text, path):
    return ET.fromstring(text).findall(path)


def letter(subject):
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = subject
    return message.as_bytes()


def two_subjects(subject):
    message = EmailMessage()
    message["Subject"] = subject
    message["Subject"] = subject[::-1]


def attached(text):
    message = EmailMessage()
    message.set_content(text)
    message.add_attachment(text.encode())


def port_of(url):
    return urlsplit(url).port


def host_of(url):
    return urlsplit(url).hostname.lower()


def split(url):
    return urlsplit(url)


def decoded(data, encoding="utf-8"):
    return data.decode(encoding)


def decoded_ascii(data):
    return decoded(data, "ascii")


def decoded_wide(data):
    decoder = codecs.getincrementaldecoder("utf-16-le")()
    return decoder.decode(data) + decoder.decode(b"", final=True)


def lines_of(path):
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return [clean(line) for line in file]


def clean(line):
    return line.strip().encode("latin-1")


def messages(text):
    return [json.loads(line)["message"]["from"]["id"] for line in text.splitlines()]


def numbers(text):
    return [json.loads(line, parse_float=exact) for line in text.splitlines()]


def exact(text):
    raise ValueError(f"{text} is not exact")


def nested(text):
    return json.loads(text)


def circular(name):
    page = {"name": name}
    page["parent"] = page
    return json.dumps(page)
