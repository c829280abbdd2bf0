"""docs/deploying-on-aws.md: the costs are what its prices and usage come to, and its commands exist."""
import json
import pathlib
import re
import sys

from exported import export
from toolcase import cases_of, equal, expect, main, wsrt

TEXT = (pathlib.Path(__file__).resolve().parent.parent.parent /
        "docs/deploying-on-aws.md").read_text(encoding="utf-8")


def _number(text):
    return float(text.replace(",", ""))


def _table(name):
    """The rows of a table below its mark, without its head."""
    block = TEXT.split(f"<!-- costs: {name} -->\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in block.splitlines()[2:]]


def _prices():
    """$ of one of each."""
    return {row[0].split(",")[0]: _number(row[1]) / _number(row[2]) for row in _table("prices")}


def _month():
    """Numbers of a month: {row: (number, $)}."""
    u = {row[0]: _number(row[1]) for row in _table("usage")}
    p = _prices()
    connects = u["users"] * u["connects of a user a day"] * u["days"]
    said = u["messages a day"] * u["days"]
    pings = connects * u["pings of a connect"]
    # Functions run for a connect, a disconnect, the authorizer, each message and each ping.
    invocations = 3 * connects + said + pings
    gb_seconds = invocations * u["ms of an invocation"] / 1000 * u["MB of memory"] / 1024
    logs = invocations * u["KB of log of an invocation"] / 1024 / 1024
    numbers = {
        "messages": (said * (1 + u["answers to a message"]) + 2 * pings,
                     "message of a WebSocket API"),
        "minutes of connections": (connects * u["minutes of a connect"], "minute of a connection"),
        "invocations": (invocations, "request of Lambda"),
        "GB-seconds": (gb_seconds, "GB-second of Lambda"),
        "writes": (said * u["writes for a message"] + connects * u["writes for a connect"],
                   "write to a table on demand"),
        "reads": ((said + pings) * u["reads for a message"], "read from a table on demand"),
        "GB of logs": (logs, "GB of logs taken in"),
        "metrics": (u["metrics of one's own"], "metric of one's own in a month"),
        "alarms": (u["alarms"], "alarm in a month"),
        "dashboards": (u["dashboards"], "dashboard in a month"),
    }
    return {row: (number, number * p[price]) for row, (number, price) in numbers.items()}


def every_line_of_the_costs_is_what_prices_and_usage_come_to():
    month = _month()
    shown = {row[0]: row[1:] for row in _table("month")}
    totals = {"all of it without monitoring": list(month)[:7], "all of it": list(month)}
    equal(set(shown), set(month) | set(totals))
    for row, (number, dollars) in month.items():
        told = _number(shown[row][0])
        places = len(shown[row][0].partition(".")[2])
        equal((told, shown[row][1]), (round(number, places), f"{dollars:.2f}"), row)
    for row, rows in totals.items():
        equal(shown[row][1], f"{sum(month[r][1] for r in rows):.2f}", row)


def the_usage_is_that_of_100_users_and_1000_messages_a_day():
    usage = {row[0]: _number(row[1]) for row in _table("usage")}
    equal((usage["users"], usage["messages a day"]), (100, 1000))


def the_alarms_that_are_paid_are_those_of_the_template():
    usage = {row[0]: _number(row[1]) for row in _table("usage")}
    resources = json.loads(export("cloudformation", "--part", "all"))["Resources"].values()
    kinds = [r["Type"].rsplit("::", 1)[1] for r in resources]
    equal((usage["alarms"], usage["dashboards"]), (kinds.count("Alarm"), kinds.count("Dashboard")))


def the_prices_say_when_they_were_taken():
    expect(re.search(r"looked up on \d{4}-\d\d-\d\d", TEXT), "no date")
    expect(all(price > 0 for price in _prices().values()), _prices())


def the_parameters_are_those_of_the_templates():
    table = TEXT.split("| parameter | Terraform |")[1].split("\n\n")[0]
    rows = [line.strip("|").split("|")[:2] for line in table.splitlines()[2:]]
    named = [{w.strip() for row in rows for w in row[i].split(",")} for i in range(2)]
    template = json.loads(export("cloudformation", "--part", "all"))
    equal(named[0] - {"the stack's region"}, set(template["Parameters"]))
    equal(named[1], set(json.loads(export("terraform", "--part", "all"))["variable"]))


def the_commands_of_the_tool_are_ones_that_it_knows():
    blocks = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.S)).replace("\\\n", " ")
    commands = [line.split()[1:] for line in blocks.splitlines() if line.startswith("wsrt ")]
    expect(len(commands) >= 3, commands)
    for command in commands:
        known = wsrt(command[0], "--help").stdout
        for word in command:
            expect(not word.startswith("-") or word in known, command)


if __name__ == "__main__":
    main(cases_of(sys.modules[__name__]))
