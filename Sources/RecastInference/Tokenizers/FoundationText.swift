import Foundation

// The only file of the tokenizers that needs Foundation.

/// Normal form C as far as Foundation gets it right: ``composed(_:)`` puts the rest right.
func foundationComposed(_ text: String) -> String { text.precomposedStringWithCanonicalMapping }
