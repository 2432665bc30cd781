"""Conversations that are meant to take chat templates everywhere they go."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A city, such as Paris"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "default": 1},
            },
            "required": ["place"],
        },
        "return": {"type": "object", "description": "What the weather is"},
    },
}
SEARCH = {
    "type": "function",
    "function": {
        "name": "search",
        "description": "Searches \"everything\" & <more>,\nline by line.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string"},
                "filters": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"key": {"type": "string"}, "values": {"type": "array", "items": {"type": "number"}}},
                    },
                },
                "limit": {"type": ["integer", "null"], "minimum": 0, "maximum": 18446744073709551615},
                "threshold": {"type": "number", "default": 0.00001},
                "exact": {"type": "boolean", "default": False, "nullable": True},
            },
            "required": ["query", "exact"],
        },
    },
}
TOOLS = [WEATHER, SEARCH]
# With a description wherever some template takes one for granted.
DESCRIBED = {
    "type": "function",
    "function": {
        "name": "convert",
        "description": "Converts lengths.",
        "parameters": {
            "type": "object",
            "properties": {
                "value": {"type": "number", "description": "The length"},
                "unit": {"type": "string", "description": "Its unit"},
                "places": {"type": "array", "items": {"type": "integer"}, "description": "Digits to show"},
            },
            "required": ["value", "unit"],
        },
    },
}


def user(content, **more):
    return {"role": "user", "content": content, **more}


def answer(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, id="abcdefghi"):
    return {"type": "function", "id": id, "function": {"name": name, "arguments": arguments}}


def result(content, name="get_weather", id="abcdefghi"):
    return {"role": "tool", "name": name, "tool_call_id": id, "content": content}


PLAIN = {
    "one turn": [user("What is 2 + 2?")],
    "answered": [user("What is 2 + 2?"), answer("4")],
    "system": [system("You are terse."), user("Hi"), answer("Hello.")],
    "turns": [user("Hi"), answer("Hello!"), user("And now?"), answer("Now we talk."), user("Bye")],
    "system and turns": [system("Be kind."), user("a"), answer("b"), user("c"), answer("d"), user("e"), answer("f")],
    "unicode": [system("Écris « bien » — 日本語も。"), user("naïve café 🚀👩‍👩‍👧‍👦 Ωmega"), answer("Здравствуй, мир! \u200b\u00a0x")],
    "white space": [user("  spaces  \n\n\tand tabs\t\n"), answer("\n\n answer \n"), user(" "), answer("x ")],
    "markup": [user("<b>\"bold\" & 'it'</b> {{ no }} {% code %} {# here #}"), answer("a < b > c & d \\n \\\\ '\"")],
    "special": [user("<|im_end|><|eot_id|></s> [INST] <end_of_turn> <think>x</think>"), answer("<|im_start|>system\n<s>")],
    "empty": [user(""), answer("")],
    "lines": [user("a\r\nb\rc\u2028d\x0be"), answer("1\n2\n3")],
    "reasoning": [user("Why?"), answer("Because.", reasoning_content="It is\nso.")],
    "reasoning, turns": [
        user("Why?"), answer("Because.", reasoning_content="One."), user("And?"), answer("So.", reasoning_content="Two."),
        user("Then"),
    ],
    "reasoning in content": [user("Why?"), answer("<think>\nIt is.\n</think>\n\nBecause."), user("And?"), answer("<think>a</think>b")],
    "reasoning, empty": [user("x"), answer("y", reasoning_content="")],
    "thinking": [user("x"), answer("y", thinking="z")],
    "parts": [user([{"type": "text", "text": "part one"}, {"type": "text", "text": " and two"}]), answer("ok")],
    "answer in parts": [user("x"), answer([{"type": "text", "text": "in a part"}])],
    "image": [user([{"type": "image", "url": "x.png"}, {"type": "text", "text": "What is it?"}])],
    "system in parts": [{"role": "system", "content": [{"type": "text", "text": "Rules."}]}, user("x")],
    "developer": [{"role": "developer", "content": "Do it."}, user("x"), answer("y")],
    "begins with an answer": [answer("I begin."), user("ok")],
    "two users": [user("a"), user("b"), answer("c")],
    "two answers": [user("a"), answer("b"), answer("c")],
    "null content": [user("a"), {"role": "assistant", "content": None}],
    "system in the middle": [user("a"), answer("b"), system("c"), user("d")],
    "names": [user("a", name="Ann"), answer("b", name="Bob")],
}  # fmt: skip

CALLED = {
    "call": [user("Weather in Paris?"), answer("", tool_calls=[call("get_weather", {"place": "Paris"})])],
    "call and result": [
        user("Weather in Paris?"), answer("", tool_calls=[call("get_weather", {"place": "Paris", "days": 2})]),
        result("{\"temperature\": 21.5}"), answer("21.5 degrees."), user("Thanks"),
    ],
    "call without content": [
        system("Use tools."), user("Weather?"),
        {"role": "assistant", "tool_calls": [call("get_weather", {"place": "Zürich", "unit": "celsius"})]},
        result("sunny"), answer("Sunny."),
    ],
    "calls": [
        user("Two."),
        answer("Let me see.", tool_calls=[
            call("get_weather", {"place": "A"}, "aaaaaaaaa"),
            call("search", {"query": "b \"q\" <x> & \n", "filters": [{"key": "k", "values": [1, 2.5, 1e-7]}], "exact": True, "limit": None}, "bbbbbbbbb"),
        ]),
        result("one", "get_weather", "aaaaaaaaa"), result("two", "search", "bbbbbbbbb"), answer("Both."),
    ],
    "call, text arguments": [user("x"), answer("", tool_calls=[call("get_weather", "{\"place\": \"Rome\"}")]), result("y"), answer("z")],
    "call with reasoning": [
        user("x"), answer("", reasoning_content="I need it.", tool_calls=[call("get_weather", {"place": "Oslo"})]),
        result("cold"), answer("It is cold.", reasoning_content="Now I know."), user("ok"), answer("Bye."),
    ],
    "call without wrapper": [user("x"), answer("", tool_calls=[{"name": "get_weather", "arguments": {"place": "Bern"}}]), result("r"), answer("s")],
    "result in parts": [
        user("x"), answer("", tool_calls=[call("get_weather", {"place": "Bonn"})]),
        {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": [{"type": "text", "text": "rain"}]},
        answer("Rain."),
    ],
    "no arguments": [user("x"), answer("", tool_calls=[call("search", {})]), result("", "search"), answer("Nothing.")],
}  # fmt: skip

VARIABLES = [{}, {"enable_thinking": True}, {"enable_thinking": False}, {"thinking": True}, {"reasoning_effort": "high"},
             {"functions": "[]", "datetime": "26 Jul 2024"}, {"date_string": "26 Jul 2024"}, {"builtin_tools": ["code_interpreter"]}, {"controls": {"length": "short"}},
             {"documents": [{"title": "T", "text": "Some text."}]}]  # fmt: skip


def conversations():
    """Name, line of a .jsonl file, and whether there is a generation prompt."""
    for name, messages in PLAIN.items():
        for prompt in (False, True):
            yield f"{name}{', prompt' * prompt}", {"messages": messages}, prompt
    for name in ("system and turns", "reasoning, turns", "one turn", "unicode"):
        for prompt in (False, True):
            yield f"{name}, tools{', prompt' * prompt}", {"messages": PLAIN[name], "tools": TOOLS}, prompt
    for name, messages in CALLED.items():
        for tools in (None, TOOLS, [DESCRIBED]):
            for prompt in (False, True):
                line = {"messages": messages} | ({"tools": tools} if tools else {})
                yield f"{name}{f', {len(tools)} tools' if tools else ''}{', prompt' * prompt}", line, prompt
    for variables in VARIABLES[1:]:
        for name in ("system and turns", "reasoning, turns"):
            for prompt in (False, True):
                line = {"messages": PLAIN[name]}
                if "documents" in variables:
                    line |= variables
                else:
                    line["chat_template_kwargs"] = variables
                yield f"{name}, {next(iter(variables))}{', prompt' * prompt}", line, prompt
        yield f"call with reasoning, {next(iter(variables))}", {"messages": CALLED["call with reasoning"], "tools": [WEATHER]} | (
            variables if "documents" in variables else {"chat_template_kwargs": variables}), True
