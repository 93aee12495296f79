import Testing
@testable import Chainfire

struct ListenersTests {
    private final class Ear: WatchListener {
        func ready(_ tags: [UInt64]) {}
    }

    /// As the hub numbers them: the place below, how often it was used above.
    private func watcher(_ place: UInt64, use: UInt64 = 0) -> UInt64 { use << 32 | place }

    private func told(_ wakes: Wakes, _ ears: [Ear]) -> [String] {
        wakes.told.map { listener, tags in
            let number = ears.firstIndex { $0 === listener }
            return "\(number.map(String.init) ?? "?"): \(tags.map(String.init).joined(separator: " "))"
        }
    }

    @Test func `whoever listens for many is told once, of all of them in their order`() {
        let ears = [Ear(), Ear()]
        var listeners = Listeners()
        for place: UInt64 in 0..<6 { listeners.set(Listening(listener: ears[place < 3 ? 0 : 1], tag: 10 + place), for: watcher(place)) }
        #expect(told(listeners.wakes(of: [0, 1, 2, 3, 4, 5]), ears) == ["0: 10 11 12", "1: 13 14 15"])
        #expect(told(listeners.wakes(of: [5, 0, 4, 1, 3]), ears) == ["1: 15 14 13", "0: 10 11"])
        #expect(told(listeners.wakes(of: []), ears) == [])
    }

    @Test func `who left is not told, nor for whoever has the place now`() {
        let ears = [Ear(), Ear()]
        var listeners = Listeners()
        listeners.set(Listening(listener: ears[0], tag: 1), for: watcher(0))
        listeners.set(Listening(listener: ears[0], tag: 2), for: watcher(1))
        #expect(listeners.remove(watcher(0))?.tag == 1)
        #expect(listeners.remove(watcher(0)) == nil)
        #expect(listeners[watcher(0)] == nil)
        listeners.set(Listening(listener: ears[1], tag: 3), for: watcher(0, use: 1))
        #expect(listeners[watcher(0)] == nil)
        #expect(listeners.remove(watcher(0)) == nil)
        #expect(listeners[watcher(0, use: 1)]?.tag == 3)
        #expect(told(listeners.wakes(of: [watcher(0), watcher(1), watcher(0, use: 1), watcher(7)]), ears) == ["0: 2", "1: 3"])
    }

    @Test func `a listener is let go with its last watcher`() {
        var listeners = Listeners()
        weak var gone: Ear?
        do {
            let ear = Ear()
            gone = ear
            for place: UInt64 in 0..<3 { listeners.set(Listening(listener: ear, tag: place), for: watcher(place)) }
        }
        for place: UInt64 in 0..<3 {
            #expect(gone != nil)
            _ = listeners.remove(watcher(place))
        }
        #expect(gone == nil)
        let next = Ear()
        listeners.set(Listening(listener: next, tag: 9), for: watcher(3))
        #expect(told(listeners.wakes(of: [0, 1, 2, 3]), [next]) == ["0: 9"])
    }
}
