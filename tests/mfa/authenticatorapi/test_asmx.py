"""`/api.asmx`: SOAP 1.1 and 1.2, GET and form with XML answers, JSON; and what each says to what it cannot read."""

from __future__ import annotations

import json
from typing import Any
from xml.etree.ElementTree import Element

import pytest
import time_machine
from defusedxml.ElementTree import fromstring
from django.test import Client
from pytest_django import Settings

NS = "http://authenticatorapi.com/"
SOAP_11 = ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml")
SOAP_12 = ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml")
FORM = "application/x-www-form-urlencoded"
RIGHT_AT_59 = {"pin": "996554", "secretCode": "JBSWY3DPEHPK3PXP"}
both_versions = pytest.mark.parametrize("version", [SOAP_11, SOAP_12], ids=["1.1", "1.2"])


def envelope(version: tuple[str, str], operation: str, given: dict[str, str], header: str = "") -> str:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in given.items())
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{version[0]}">{header}'
        f'<s:Body><{operation} xmlns="{NS}">{inner}</{operation}></s:Body></s:Envelope>'
    )


def post(client: Client, version: tuple[str, str], body: str | bytes) -> Any:
    return client.post("/api.asmx", body, f"{version[1]}; charset=utf-8")


def fault_of(version: tuple[str, str], content: bytes) -> tuple[str, str]:
    """The fault's code without its prefix, and its text."""
    ns = f"{{{version[0]}}}"
    fault = fromstring(content).find(f"{ns}Body/{ns}Fault")
    assert fault is not None
    if version is SOAP_11:
        code, text = fault.findtext("faultcode"), fault.findtext("faultstring")
    else:
        code, text = fault.findtext(f"{ns}Code/{ns}Value"), fault.findtext(f"{ns}Reason/{ns}Text")
    assert code
    assert text
    return code.rpartition(":")[2], text


# ----------------------------------------------------------------------------------------------------------------- SOAP


@both_versions
def test_soap_pairs(client: Client, settings: Settings, version: tuple[str, str]) -> None:
    given = {"appName": "MyApp", "appInfo": "John", "secretCode": "12345678BXYT"}
    response = post(client, version, envelope(version, "Pair", given))
    assert (response.status_code, response["Content-Type"]) == (200, f"{version[1]}; charset=utf-8")
    result = fromstring(response.content).find(f"{{{version[0]}}}Body/{{{NS}}}PairResponse/{{{NS}}}PairResult")
    assert isinstance(result, Element)
    assert [(child.tag, child.text) for child in result] == [
        (f"{{{NS}}}ManualSetupCode", "GEZDGNBVGY3TQQSYLFKA"),
        (f"{{{NS}}}Html", client.get("/pair.aspx?AppName=MyApp&AppInfo=John&SecretCode=12345678BXYT").text),
    ]


@both_versions
def test_soap_validates(client: Client, version: tuple[str, str]) -> None:
    answers = []
    with time_machine.travel(59, tick=False):
        for pin in ("996554", "996555"):
            response = post(client, version, envelope(version, "ValidatePin", RIGHT_AT_59 | {"pin": pin}))
            path = f"{{{version[0]}}}Body/{{{NS}}}ValidatePinResponse/{{{NS}}}ValidatePinResult"
            answers.append(fromstring(response.content).findtext(path))
    assert answers == ["true", "false"]


@both_versions
def test_names_of_parameters_are_read_without_case_and_in_any_namespace(
    client: Client, version: tuple[str, str]
) -> None:
    body = envelope(version, "ValidatePin", {}).replace(
        "></ValidatePin>",
        '><x:PIN xmlns:x="urn:x">996554</x:PIN><secretcode xmlns="">JBSWY3DPEHPK3PXP</secretcode></ValidatePin>',
    )
    with time_machine.travel(59, tick=False):
        assert b"ValidatePinResult>true<" in post(client, version, body).content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_an_envelope_may_be_in_any_encoding_that_it_declares(client: Client, encoding: str) -> None:
    given = {"appName": "Zoé", "appInfo": "b", "secretCode": "é" * 20}
    body = envelope(SOAP_11, "Pair", given).replace('encoding="utf-8"', f'encoding="{encoding}"').encode(encoding)
    response = post(client, SOAP_11, body)
    assert (
        client.get("/pair.aspx", {"AppName": "Zoé", "AppInfo": "b", "SecretCode": "é" * 20}).text.split("'")[1]
        in response.text
    )


BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
STRANGER = '<!DOCTYPE s [<!ENTITY s SYSTEM "file:///etc/hostname">]>'


@both_versions
@pytest.mark.parametrize(
    "body",
    [
        " ",
        "no xml",
        "<",
        "\x00",
        "<a/>",
        "{}",
        '<?xml version="1.0" encoding="no-such-encoding"?><a/>',
        '<?xml version="1.0" encoding="utf-7"?><a/>',
        BOMB
        + "<s:Envelope xmlns:s='{ns}'><s:Body><Pair xmlns='"
        + NS
        + "'><appName>&b;</appName></Pair></s:Body></s:Envelope>",
        STRANGER
        + "<s:Envelope xmlns:s='{ns}'><s:Body><Pair xmlns='"
        + NS
        + "'><appName>&s;</appName></Pair></s:Body></s:Envelope>",
        "<!DOCTYPE a><s:Envelope xmlns:s='{ns}'><s:Body/></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'/>",
        "<s:Envelope xmlns:s='{ns}'><s:Body/></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'><s:Body>text</s:Body></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'><s:Body><Pair/></s:Body></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'><s:Body><Delete xmlns='" + NS + "'/></s:Body></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'><s:Body><pair xmlns='" + NS + "'/></s:Body></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'><s:Body><Pair xmlns='" + NS + "'/></s:Body></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'><s:Body><ValidatePin xmlns='"
        + NS
        + "'><pin>1</pin></ValidatePin></s:Body></s:Envelope>",
        "<s:Envelope xmlns:s='{ns}'><s:Body><ValidatePin xmlns='"
        + NS
        + "'><pin>1</pin><PIN>2</PIN><secretCode>x</secretCode></ValidatePin></s:Body></s:Envelope>",
        "<a>" * 15_000,
        "<a>" * 8_000 + "</a>" * 8_000,
        "<s:Envelope xmlns:s='{ns}'><s:Body><Pair xmlns='"
        + NS
        + "' "
        + " ".join(f"a{n}=''" for n in range(5000))
        + "/></s:Body></s:Envelope>",
    ],
    ids=lambda body: body[:20],
)
def test_what_cannot_be_obeyed_is_a_fault_of_the_sender(client: Client, version: tuple[str, str], body: str) -> None:
    response = post(client, version, body.replace("{ns}", version[0]))
    code, _ = fault_of(version, response.content)
    assert response.status_code == 400
    assert response["Content-Type"] == f"{version[1]}; charset=utf-8"
    assert code in ("Client", "Sender", "VersionMismatch")
    assert "hostname" not in response.text


def test_an_envelope_of_neither_version_is_a_mismatch(client: Client) -> None:
    body = envelope(("urn:soap-2.0", ""), "Pair", {})
    assert fault_of(SOAP_11, post(client, SOAP_11, body).content)[0] == "VersionMismatch"


@both_versions
def test_a_header_that_must_be_understood_and_is_not_ends_the_call(client: Client, version: tuple[str, str]) -> None:
    def answered(must: str) -> Any:
        header = f'<s:Header><t xmlns="urn:transaction" s:mustUnderstand="{must}">5</t></s:Header>'
        with time_machine.travel(59, tick=False):
            return post(client, version, envelope(version, "ValidatePin", RIGHT_AT_59, header))

    assert answered("0").status_code == 200
    assert fault_of(version, answered("1").content)[0] == "MustUnderstand"
    assert fault_of(version, answered("true").content)[0] == "MustUnderstand"


@both_versions
def test_the_version_answered_is_that_of_the_envelope(client: Client, version: tuple[str, str]) -> None:
    response = client.post("/api.asmx", envelope(version, "ValidatePin", RIGHT_AT_59), "application/octet-stream")
    assert response["Content-Type"] == f"{version[1]}; charset=utf-8"


@both_versions
def test_an_envelope_past_64_kib_is_a_fault_with_status_413(client: Client, version: tuple[str, str]) -> None:
    response = post(client, version, envelope(version, "Pair", {"appName": "a" * 70_000}))
    assert response.status_code == 413


@both_versions
def test_a_value_is_escaped_and_no_fault_repeats_it(client: Client, version: tuple[str, str]) -> None:
    given = {"appName": "a", "appInfo": "&lt;/Html&gt;&amp;", "secretCode": "&lt;canary&gt;"}
    response = post(client, version, envelope(version, "Pair", given))
    assert fromstring(response.content).find(f".//{{{NS}}}Html") is not None
    refused = post(client, version, envelope(version, "Pair", given | {"secretEncoding": "base32"}))
    assert refused.status_code == 400
    assert "canary" not in refused.text


# ------------------------------------------------------------------------------------------------------- GET, form, JSON


@pytest.mark.parametrize("path", ["/api.asmx/ValidatePin", "/API.ASMX/validatepin"])
def test_get_and_form_answer_in_xml(client: Client, path: str) -> None:
    with time_machine.travel(59, tick=False):
        got = client.get(path, RIGHT_AT_59)
        posted = client.post(path, "pin=996554&secretCode=JBSWY3DPEHPK3PXP", FORM)
        wrong = client.get(path, RIGHT_AT_59 | {"pin": "1"})
    expected = '<?xml version="1.0" encoding="utf-8"?>\n<boolean xmlns="http://authenticatorapi.com/">true</boolean>'
    assert got.text == posted.text == expected
    assert got["Content-Type"] == "text/xml; charset=utf-8"
    assert fromstring(wrong.content).text == "false"


def test_get_pairs_in_xml(client: Client) -> None:
    root = fromstring(client.get("/api.asmx/Pair?appName=MyApp&appInfo=John&secretCode=1234").content)
    assert root.tag == f"{{{NS}}}PairingInfo"
    html = client.get("/pair.aspx?AppName=MyApp&AppInfo=John&SecretCode=1234").text
    assert [(child.tag, child.text) for child in root] == [
        (f"{{{NS}}}ManualSetupCode", "GEZDGNA"),
        (f"{{{NS}}}Html", html),
    ]


def test_json_is_answered_in_json(client: Client) -> None:
    with time_machine.travel(59, tick=False):
        response = client.post("/api.asmx/ValidatePin", RIGHT_AT_59, "application/json; charset=utf-8")
    assert (response.status_code, response.json()) == (200, {"d": True})
    given = {"appName": "MyApp", "appInfo": "John", "secretCode": "1234"}
    paired = client.post("/api.asmx/Pair", given, "application/json")
    assert paired.json() == {
        "d": {
            "__type": "AuthenticatorAPI.PairingInfo",
            "ManualSetupCode": "GEZDGNA",
            "Html": client.get("/pair.aspx?AppName=MyApp&AppInfo=John&SecretCode=1234").text,
        }
    }


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("", FORM),
        ("pin=1", FORM),
        ("pin=1&pin=2&secretCode=x", FORM),
        ("secretCode=x", FORM),
        ("<a/>", "text/xml"),
        ("[]", "application/json"),
        ("{", "application/json"),
        ('"canary"', "application/json"),
        ('{"pin": "1"}', "application/json"),
        ('{"pin": "1", "secretCode": null}', "application/json"),
        ('{"pin": "1", "secretCode": ["canary"]}', "application/json"),
        ('{"pin": "1", "secretCode": "\\ud800"}', "application/json"),
        ("[" * 30_000, "application/json"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_form_asked_in(client: Client, body: str, content_type: str) -> None:
    response = client.post("/api.asmx/ValidatePin", body, content_type)
    assert response.status_code in (400, 415)
    assert "canary" not in response.text
    if content_type == "application/json":
        document = json.loads(response.content)
        assert document["Message"]
        assert (document["StackTrace"], document["ExceptionType"]) == ("", "")


def test_no_other_operation_is_there(client: Client) -> None:
    for path in ("/api.asmx/", "/api.asmx/Delete", "/api.asmx/Pair/", "/api.asmx/Pair/x", "/apixasmx"):
        assert client.get(path).status_code == 404


# ----------------------------------------------------------------------------------------------------------------- WSDL


@pytest.mark.parametrize("query", ["WSDL", "wsdl", "Wsdl=", "wsdl=1"])
def test_the_wsdl_names_this_server(client: Client, settings: Settings, query: str) -> None:
    settings.PUBLIC_URL = "https://id.example.com"
    response = client.get(f"/api.asmx?{query}")
    assert response["Content-Type"] == "text/xml; charset=utf-8"
    ports = fromstring(response.content).findall(".//{http://schemas.xmlsoap.org/wsdl/}port")
    assert [(port.get("name"), port[0].get("location")) for port in ports] == [
        (f"AuthenticatorAPI{kind}", "https://id.example.com/api.asmx")
        for kind in ("Soap", "Soap12", "HttpGet", "HttpPost")
    ]


def test_the_address_itself_describes_the_operations(client: Client) -> None:
    response = client.get("/api.asmx?op=Pair")
    assert response["Content-Type"].startswith("text/html")
    assert "ValidatePin" in response.text
