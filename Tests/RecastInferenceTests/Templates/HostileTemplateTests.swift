import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Templates that are built to be bad end with an error, soon and without much memory.
@Suite struct HostileTemplateTests {
    private static func doubling(_ step: String) -> String {
        "{% set ns = namespace(x='aaaaaaaa', l=[1]) %}{% for i in range(100) %}\(step){% endfor %}{{ ns.x | length }}"
    }

    private static func nested(_ open: String, _ close: String, _ count: Int) -> String {
        String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
    }

    static let templates: [(String, String)] = [
        ("endless", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
        ("output", "{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}"),
        ("doubled text", doubling("{% set ns.x = ns.x ~ ns.x %}")),
        ("doubled text, +", doubling("{% set ns.x = ns.x + ns.x %}")),
        ("doubled by replacing", doubling("{% set ns.x = ns.x | replace('a', 'aa') %}")),
        ("doubled by joining", doubling("{% set ns.x = ns.x.join(['a', 'a', 'a']) %}")),
        ("doubled by format", doubling("{% set ns.x = '%s%s' % (ns.x, ns.x) %}")),
        ("doubled by a block", doubling("{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}")),
        ("doubled list", doubling("{% set ns.l = ns.l + ns.l %}")),
        ("repeated", "{{ 'x' * 9223372036854775807 }}"), ("repeated twice", "{{ 'xx' * 9223372036854775807 }}"),
        ("widths", "{{ 'x'.center(9223372036854775807) }}"), ("indent", "{{ 'a\nb' | indent(9223372036854775807) }}"),
        (
            "shared",
            "{% set ns = namespace(x=[1]) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}"
        ),
        (
            "shared, compared",
            "{% set a = namespace(x=[1], y=[1]) %}{% for i in range(90) %}{% set a.x = [a.x, a.x] %}"
                + "{% set a.y = [a.y, a.y] %}{% endfor %}{{ a.x == a.y }}"
        ),
        ("deep value", "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}"),
        (
            "deep through a namespace",
            "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% set ns.x = namespace(y=ns.x) %}{% endfor %}"
        ),
        ("calls", "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}"),
        ("many calls", "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}"),
        ("parentheses", "{{ " + nested("(", ")", 100_000) + " }}"),
        ("lists", "{{ " + nested("[", "]", 100_000) + " }}"),
        ("not", "{{ " + nested("not ", "", 100_000) + " }}"), ("minus", "{{ " + nested("-", "", 100_000) + " }}"),
        ("sum", "{{ " + nested("1 + ", "", 100_000) + " }}"), ("or", "{{ " + nested("0 or ", "", 100_000) + " }}"),
        ("power", "{{ " + nested("1 ** ", "", 100_000) + " }}"),
        ("if else", "{{ " + nested("1 if 0 else ", "", 100_000) + " }}"),
        ("attributes", "{{ x" + String(repeating: ".a", count: 100_000) + " }}"),
        ("filters", "{{ x" + String(repeating: "|trim", count: 100_000) + " }}"),
        ("blocks", nested("{% if 1 %}", "{% endif %}", 50_000)),
        ("loops", nested("{% for a in [1] %}", "{% endfor %}", 50_000)),
        ("open", String(repeating: "{% if 1 %}", count: 50_000)),
        ("open braces", "{{ " + String(repeating: "{", count: 100_000)),
        ("keys", "{% set s = 'x' * 1000000 %}{% for i in range(99999) %}{{ {s: 1}[s] }}{% endfor %}"),
        ("range", "{{ range(9223372036854775807) }}"), ("range back", "{{ range(0, -9223372036854775807, -1) }}"),
        ("least", "{{ (-9223372036854775807 - 1) // -1 }}"), ("power of two", "{{ 2 ** 64 }}"),
    ]

    @Test(arguments: templates) func ends(_ name: String, _ source: String) {
        let start = ContinuousClock.now
        let (text, error) = TemplateLanguageTests.outcome(source)
        #expect(text == nil && (error?.code == .unsupported || error?.code == .malformedInput), "\(name)")
        #expect(start.duration(to: .now) < .seconds(20), "\(name)")
    }

    /// What is long without being bad is rendered, in time that grows with it; and nothing traps on the way out.
    @Test(arguments: [
        (
            "{% set h = namespace(c=namespace()) %}{% for i in range(50000) %}{% set t = h.c %}{% set m = namespace() %}"
                + "{% set t.x = m %}{% set h.c = m %}{% endfor %}ok", "ok"
        ),
        ("{% for i in range(50000) %}{% macro m() %}{{ m }}{% endmacro %}{% endfor %}ok", "ok"),
        ("{% for i in range(100000) %}{{ loop.length if loop.last }}{% endfor %}", "100000"),
        ("{{ ('a' * 300000).count('a' * 1000 ~ 'b') }}", "0"), ("{{ ('ab' * 300000).split('a') | length }}", "300001"),
        ("{{ s[-9223372036854775807:9223372036854775807] }}", "Hello, wörld!"),
        ("{{ s[9223372036854775807:-9223372036854775807:-9223372036854775807] }}", "!"),
        ("{{ range(0, 10, 9223372036854775807) | list }}", "[0]"),
        ("{{ 7 % -9223372036854775807 }}", "-9223372036854775800"),
        ("{{ 'a'.find('a', -9223372036854775807, 9223372036854775807) }}", "0"),
        ("{{ 1e308 * 10 }} {{ 1e308 | int | string | length }}", "inf 1"),
    ])
    func survives(_ source: String, _ expected: String) {
        let (text, error) = TemplateLanguageTests.outcome(source)
        #expect(text == expected, "\(error?.description ?? "")")
    }

    @Test func deepConversations() {
        var value: JSON = "x"
        for _ in 0..<200 { value = [value] }
        let conversation = Conversation(messages: [["role": "user", "content": value]])
        #expect(TemplateLanguageTests.outcome("x", conversation).error?.message.contains("nested deeper") == true)
    }

    /// Cut anywhere, and with anything in it, a template is read or refused.
    @Test func damaged() throws {
        let source = try String(contentsOfFile: Fixtures.templates + "/qwen3.jinja", encoding: .utf8)
        let bytes = Array(source.utf8)
        var random = SeededGenerator(seed: 7)
        let conversation = Conversation(messages: [
            ["role": "user", "content": "a"],
            ["role": "assistant", "content": "b", "tool_calls": [["name": "c", "arguments": ["d": 1]]]],
        ])
        for _ in 0..<400 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<damaged.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: damaged.removeSubrange(place...)
                case 1: damaged[place] = UInt8.random(in: 32..<127, using: &random)
                default: damaged.insert(contentsOf: Array("{%}('|~".utf8.shuffled(using: &random).prefix(3)), at: place)
                }
                if damaged.isEmpty { damaged = [32] }
            }
            _ = TemplateLanguageTests.outcome(String(decoding: damaged, as: UTF8.self), conversation)
        }
    }
}
