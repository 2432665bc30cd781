import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

@Suite struct ChoiceTaskTests {
    private func item(_ line: String) throws -> ChoiceItem {
        try ChoiceItem(JSON(parsing: Array(line.utf8), file: "line"))
    }

    /// Contexts as lm-evaluation-harness makes them, worked out by hand from its templates.
    @Test func formats() throws {
        let hellaSwag = try item(
            #"{"activity_label": "Roof shingle removal", "ctx_a": "A man is sitting on a roof.", "ctx_b": "he", "ctx": "A man is sitting on a roof. he", "endings": ["is using wrap  to wrap.", "[step] starts  up."], "label": "1"}"#
        )
        #expect(hellaSwag.context == "Roof shingle removal: A man is sitting on a roof. He")
        #expect(hellaSwag.choices == ["is using wrap to wrap.", " starts up."] && hellaSwag.answer == 1)
        let article = try item(
            #"{"ctx": "How to x [title] First [substeps] do it.", "endings": ["a", "b"], "label": 0}"#)
        #expect(article.context == "How to x. First do it.")
        let arc = try item(
            #"{"id": "M1", "question": "Which is hot?", "choices": {"text": ["ice", "sun", "moon"], "label": ["A", "B", "C"]}, "answerKey": "B"}"#
        )
        #expect(arc.context == "Question: Which is hot?\nAnswer:" && arc.choices[arc.answer] == "sun")
        let original = try item(
            #"{"question": {"stem": "Which?", "choices": [{"text": "x", "label": "1"}, {"text": "y", "label": "2"}]}, "answerKey": "2"}"#
        )
        #expect(original.context == "Question: Which?\nAnswer:" && original.answer == 1)
        let mmlu = try item(
            #"{"question": " Find it. ", "subject": "abstract_algebra", "choices": ["0", "4", "2", "6"], "answer": 1}"#)
        #expect(
            mmlu.context
                == "The following are multiple choice questions (with answers) about abstract algebra.\n\nFind it.\nA. 0\nB. 4\nC. 2\nD. 6\nAnswer:"
        )
        #expect(mmlu.choices == ["A", "B", "C", "D"] && mmlu.answer == 1 && mmlu.group == "abstract_algebra")
        #expect(try item(#"{"question": "Q", "choices": ["a", "b"], "answer": "B"}"#).answer == 1)
        let any = try item(#"{"context": "One and", "choices": ["two", "three"], "gold": 0}"#)
        #expect(any.context == "One and" && any.choices == ["two", "three"])
    }

    @Test(arguments: [
        "{}", "[]", #"{"context": "a", "choices": ["b"], "answer": 0}"#, #"{"context": "a", "choices": ["b", "c"]}"#,
        #"{"context": "a", "choices": ["b", "c"], "answer": 2}"#,
        #"{"context": "a", "choices": ["b", ""], "answer": 0}"#,
        #"{"question": "a", "choices": ["b", 3], "answer": 0}"#, #"{"endings": "x", "ctx": "y", "label": 0}"#,
        #"{"endings": ["x", "y"], "label": 0}"#, #"{"question": "x", "answerKey": "A"}"#,
        #"{"question": "x", "choices": {"text": ["a", "b"], "label": ["A"]}, "answerKey": "A"}"#,
        #"{"question": "x", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "C"}"#,
    ])
    func badLines(_ line: String) {
        #expect(throws: RecastError.self) { try item(line) }
    }

    @Test func badLinesAreNamed() throws {
        let directory = TemporaryDirectory()
        let good = #"{"context": "a", "choices": ["b", "c"], "answer": 0}"#
        let path = directory.write("t.jsonl", Array("\(good)\n\n{oops\n".utf8))
        #expect { try ChoiceTask(name: "t", path: path) } throws: { "\($0)".contains("line 3") }
        let empty = directory.write("e.jsonl", Array("\n\n".utf8))
        #expect(throws: RecastError.self) { try ChoiceTask(name: "e", path: empty) }
    }

    @Test func accuracies() {
        func item(_ values: [Double], _ lengths: [Int], _ answer: Int, _ group: String?) -> ChoiceScore.Item {
            ChoiceScore.Item(answer: answer, logLikelihoods: values, lengths: lengths, group: group)
        }
        let score = ChoiceScore(
            name: "t",
            items: [
                item([-1, -2], [1, 10], 0, "a"), item([-1, -2], [1, 10], 1, "b"), item([-3, -3], [1, 1], 0, "a"),
                item([-5, -1], [1, 1], 1, nil),
            ])
        #expect(score.items.map(\.choice) == [0, 0, 0, 1] && score.items.map(\.normalizedChoice) == [1, 1, 0, 1])
        #expect(score.accuracy.value == 0.75 && score.normalizedAccuracy.value == 0.75)
        #expect(abs(score.accuracy.error! - (0.75 * 0.25 / 3).squareRoot()) < 1e-15)
        #expect(score.groups.map(\.name) == ["a", "b"] && score.groups.map(\.accuracy.value) == [1, 0])
        #expect(score.groups[1].accuracy.error == nil)
    }

    /// The likelihood of an answer is that of its tokens behind the context's.
    @Test func likelihoods() throws {
        let files = try Checkpoint(path: Fixtures.tinyModel)
        let model = try Model(files)
        let tokenizer = try Tokenizer(files.vocabulary(size: nil)!)
        let pass = try ForwardPass(model.graph, files: model.sources)
        let task = ChoiceTask(
            name: "t",
            items: [
                try item(#"{"context": "The night was", "choices": ["dark and cold", "a bright day"], "answer": 0}"#),
                try item(#"{"context": "He said ", "choices": ["yes", "no"], "answer": 1}"#),
            ])
        let (scores, cut) = try pass.scores(of: [task], tokenizer)
        #expect(cut == 0)
        for (item, score) in zip(task.items, scores[0].items) {
            for (choice, value) in zip(item.choices, score.logLikelihoods) {
                let context = item.context.hasSuffix(" ") ? String(item.context.dropLast()) : item.context
                let before = try tokenizer.encode(context, parsingSpecial: false)
                let tokens = try tokenizer.encode(context + " " + choice, parsingSpecial: false)
                let logits = try pass.logits(of: [tokens])[0]
                let expected = (before.count..<tokens.count).reduce(0.0) { sum, place in
                    let row = logits[place - 1]
                    return sum + Double(row[Int(tokens[place])]) - log(row.reduce(0) { $0 + exp(Double($1)) })
                }
                #expect(abs(value - expected) < 1e-4)
            }
        }
    }
}
