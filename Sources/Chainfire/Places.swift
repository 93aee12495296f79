/// What is kept at places that are numbers from 0 on, each used again when it is free.
struct Places<Content: Sendable>: Sendable {
    private var contents: ContiguousArray<Content?> = []
    private var free: [Int] = []

    var count: Int { contents.count - free.count }
    /// Those that may hold something.
    var indices: Range<Int> { contents.indices }

    mutating func add(_ content: Content) -> Int {
        if let place = free.popLast() {
            contents[place] = content
            return place
        }
        contents.append(content)
        return contents.count - 1
    }

    mutating func remove(_ place: Int) {
        guard contents.indices.contains(place), contents[place] != nil else { return }
        contents[place] = nil
        free.append(place)
    }

    /// Nil where nothing is. What is there can be changed, and goes by `remove` only.
    subscript(place: Int) -> Content? {
        _read {
            // Without a copy of what is there.
            if contents.indices.contains(place) { yield contents[place] } else { yield nil }
        }
        _modify {
            let wasThere = contents[place] != nil
            yield &contents[place]
            precondition((contents[place] != nil) == wasThere, "place \(place) was filled or emptied in passing")
        }
    }
}
