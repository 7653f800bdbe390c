using System.IO.Pipelines;
using System.Text;
using Sluice.Commands.Client;
using Xunit;

namespace Sluice.Admin.Tests;

public sealed class MessageInputTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("a\nb\n", "a|b")]
    [InlineData("a\r\n\r\nlast", "a||last")]
    [InlineData("\n", "")]
    public async Task Lines_come_without_their_ends(string text, string expected)
    {
        using var input = new MemoryStream(Encoding.UTF8.GetBytes(text));
        Assert.Equal(expected.Split('|'), await ReadAsync(input));
    }

    [Fact]
    public async Task A_line_that_comes_in_parts_is_one()
    {
        var pipe = new Pipe();
        Task<List<string>> lines = ReadAsync(pipe.Reader.AsStream());
        foreach (string part in (string[])["one, ", new string('x', 100_000), " and more\ntwo"])
        {
            await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(part), Cancel);
        }

        await pipe.Writer.CompleteAsync();
        Assert.Equal([$"one, {new string('x', 100_000)} and more", "two"], await lines);
    }

    [Fact]
    public async Task A_line_without_an_end_is_refused_before_it_fills_the_memory()
    {
        List<string> lines = [];
        using var input = new EndlessLine();
        CommandException error = await Assert.ThrowsAsync<CommandException>(() => ReadAsync(input, lines, lineBytesMax: 1 << 20));
        Assert.Contains("longer than", error.Message, StringComparison.Ordinal);
        Assert.Equal(["first"], lines);
        Assert.InRange(input.Given, 1 << 20, 4 << 20);
    }

    private static async Task<List<string>> ReadAsync(Stream input, List<string>? lines = null, int lineBytesMax = MessageInput.LineBytesMax)
    {
        lines ??= [];
        await MessageInput.EachLineAsync(input, Take, static () => true, Cancel, lineBytesMax);
        return lines;

        ValueTask Take(byte[] line)
        {
            lines.Add(Encoding.UTF8.GetString(line));
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>A first line, and one that never ends.</summary>
    private sealed class EndlessLine : MemoryStream
    {
        public long Given { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Assert.True(Given < 64 << 20, "Reading goes on.");
            buffer.Span.Fill((byte)'x');
            if (Given == 0)
            {
                "first\n"u8.CopyTo(buffer.Span);
            }

            Given += buffer.Length;
            return ValueTask.FromResult(buffer.Length);
        }
    }
}
