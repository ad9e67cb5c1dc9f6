# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's reference: every verdict, finding, code, ICE warning, notification and number, with what it means and what to do."""

FRONT = """# Operator's reference

Everything that the product says, and what to do about it. This page is made of the same tables as the programs (`make update-generated`); do not
edit it by hand. `edgemedia decode` explains words, codes and ICE warnings on the command line, `edgemedia explain` what is wrong now.

- [Verdicts](#verdicts): what a probe of one address came to
- [Findings](#findings): what the observations mean together
- [Diagnostic codes](#diagnostic-codes) of `Ms-client-diagnostics` and its relatives
- [ICE warnings](#ice-warnings): the bits of the ICE warning value
- [Notifications](#notifications) that SNMP sends
- [Numbers](#numbers): every counter, gauge and text, under its names in JSON, SNMP and metrics
"""


def cell(text):
    return text.replace("|", "\\|")


def rows(heads, lines):
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(map(cell, line))} |" for line in lines)]) + "\n"


def capital(text):
    return text[0].upper() + text[1:]


def code(word):
    return f"`{word}`"


def listed(words):
    return ", ".join(map(code, words))


def verdicts(words):
    lines = [(code(v["name"]), capital(v["help"]), words.verdict_advice[v["name"]]) for v in words.lists["verdict"]]
    return "## Verdicts\n\n" + rows(("verdict", "what it means", "what to do"), lines)


def findings(words):
    meaning = {kind["name"]: kind["help"] for kind in words.lists["finding"]}
    text = "## Findings\n\nIn the order in which they are asked. `{edge}`, `{path}` and `{what}` stand for what is found.\n"
    for rule in words.rules:
        text += f"\n### {rule['kind']}\n\n{capital(meaning[rule['kind']])}. Severity: {code(rule['severity'])}.\n\n" + \
                f"- Says: {rule['text']}.\n- Do: {rule['advice']}\n- It is wrong if: {rule['refute']}\n"
        if rule["unless"]:
            text += f"- Not said where this is: {listed(rule['unless'])}\n"
    levels = [(title.capitalize(), code(level["name"]), capital(level["help"])) for title in ("severity", "confidence") for level in words.lists[title]]
    return text + "\n### How bad, how sure\n\n" + rows(("", "level", "what it means"), levels)


def span(row):
    return str(row["first"]) if row["first"] == row["last"] else f"{row['first']} to {row['last']}"


def codes(words):
    kinds = {kind["name"]: kind["help"] for kind in words.lists["code class"]}
    known = [(span(row), f"{code(row['class'])}: {kinds[row['class']]}", row["meaning"]) for row in words.codes]
    return "## Diagnostic codes\n\n" + rows(("code", "counts as", "what it means"), known) + \
           "\nEvery other code counts as " + code(words.components[0]["class"]) + ":\n\n" + \
           rows(("codes", "what they have in common"), [(span(row), row["meaning"]) for row in words.components])


def warnings(words):
    lines = [(code(f"0x{row['bit']:x}"), code(row["name"]), row["text"], "yes" if row["benign"] else "no") for row in words.ice]
    return "## ICE warnings\n\nThe value is a sum of these bits: `0x8000100` is `0x8000000` and `0x100`.\n\n" + \
           rows(("bit", "name", "what it means", "also in calls that work"), lines)


def notifications(words):
    text = "## Notifications\n\nIn pairs: one when it begins, one when it ends.\n"
    for event in words.events:
        fields = [words.field(f"{event['table']}.{name}").object for name in event["fields"]]
        text += f"\n### {event['raise']}, {event['clear']}\n\n- Begins: {event['raise_help']}\n- Do: {event['advice']}\n" + \
                f"- Ends: {event['clear_help']}\n- Carries: {listed(fields)}\n"
    return text


def metric(field):
    if not field.metric:
        return ""
    label = field.fixed_label or (f'{field.label}="..."' if field.label else "")
    return code(f"{field.family}{{{label}}}" if label else field.family)


def kind(words, field):
    if field.title is None:
        return f"{field.kind}, {field.unit}" if field.unit else field.kind
    if field.title == "truth":
        return "true or false"
    if field.title in ("verdict", "finding", "severity", "confidence", "code class"):
        return f"{field.title}, see above"
    return "; ".join(f"{code(word['name'])} {word['help']}" for word in words.lists[field.title])


def numbers(words):
    text = "## Numbers\n\n`/api/v1/status` has all of them as JSON under the key of their table; SNMP has them below " + code(words.root) + \
           " (the default of `configure --with-mib-root`), and `/metrics` those that are metrics.\n"
    for table in words.tables.values():
        one = table.index_n == 0
        text += f"\n### {table.json}\n\n{table.help} SNMP: {'scalars' if one else code(table.snmp + 'Table')} at {code(table.oid)}."
        if table.labels:
            text += f" Each metric has the labels {listed(table.labels)}."
        lines = [("" if f.no_json else code(f.json), code(f.object) if f.subid or f.foreign else "", metric(f), kind(words, f), f.help) for f in table.fields]
        text += "\n\n" + rows(("JSON", "SNMP", "metric", "kind", "what it is"), lines)
    return text


def files(words):
    parts = (FRONT, verdicts(words), findings(words), codes(words), warnings(words), notifications(words), numbers(words))
    return {"reference.md": "\n".join(parts)}
