//! A tokenizer.
const std = @import("std");
const Ast = @import("Ast.zig");
pub usingnamespace @import("types.zig");

pub const Allocator = std.mem.Allocator;
const max_depth: usize = 64;
var counter: u32 = 0;

/// One token.
pub const Token = struct {
    tag: Tag,
    loc: Loc = .{},

    pub const Loc = struct { start: usize = 0, end: usize = 0 };

    /// Its text.
    pub fn text(self: Token, source: []const u8) []const u8 {
        const local = self.loc;
        return source[local.start..local.end];
    }
};

pub const Tag = enum(u8) { identifier, number, eof };

const Value = union(enum) { int: i64, none };

pub const Error = error{ OutOfMemory, InvalidToken };

fn isDigit(c: u8) bool {
    return std.ascii.isDigit(c);
}

pub fn tokenize(allocator: Allocator, source: []const u8) Error![]Token {
    var list = std.ArrayList(Token).init(allocator);
    try list.append(next(source));
    return list.toOwnedSlice();
}

export fn tokenizer_version() c_int {
    return 1;
}

test "empty source" {
    try std.testing.expectEqual(0, (try tokenize(undefined, "")).len);
}
