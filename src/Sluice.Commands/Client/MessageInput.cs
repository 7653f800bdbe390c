namespace Sluice.Commands.Client;

/// <summary>What a verb that publishes is given to publish.</summary>
internal static class MessageInput
{
    /// <summary>Of a line, in bytes: a broker takes no larger message unless it is told to.</summary>
    public const int LineBytesMax = 128 << 20;

    private const int ReadBytes = 64 * 1024;
    private static readonly TimeSpan IdleInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Gives each line, without its end, as soon as it is there.</summary>
    /// <param name="input">Where lines come from, at whatever pace.</param>
    /// <param name="send">Takes a line.</param>
    /// <param name="goesOn">Called when no line is there, at once and then ten times a second; false ends it.</param>
    /// <param name="cancel">Ends it.</param>
    /// <param name="lineBytesMax">A longer line is refused before it is all in memory.</param>
    /// <exception cref="CommandException">A line is too long; those before it were given.</exception>
    public static async Task EachLineAsync(Stream input, Func<byte[], ValueTask> send, Func<bool> goesOn, CancellationToken cancel, int lineBytesMax = LineBytesMax)
    {
        byte[] buffer = new byte[ReadBytes];
        int end = 0;
        while (true)
        {
            Task<int> reading = input.ReadAsync(buffer.AsMemory(end), cancel).AsTask();
            while (!reading.IsCompleted)
            {
                cancel.ThrowIfCancellationRequested();
                if (!goesOn())
                {
                    return;
                }

                await Task.WhenAny(reading, Task.Delay(IdleInterval, cancel)).ConfigureAwait(false);
            }

            int read = await reading.ConfigureAwait(false);
            int start = 0;
            for (int searched = end; Array.IndexOf(buffer, (byte)'\n', searched, end + read - searched) is var at and >= 0; searched = start = at + 1)
            {
                await send(Line(buffer.AsSpan(start, at - start))).ConfigureAwait(false);
            }

            end += read;
            if (read == 0)
            {
                if (end > 0)
                {
                    await send(Line(buffer.AsSpan(0, end))).ConfigureAwait(false);
                }

                return;
            }

            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            if (end > lineBytesMax)
            {
                throw new CommandException($"A line is longer than {lineBytesMax:N0} bytes. A larger message can be given without --lines.");
            }

            if (end == buffer.Length)
            {
                Array.Resize(ref buffer, (int)Math.Min(Array.MaxLength, 2L * buffer.Length));
            }
        }
    }

    private static byte[] Line(ReadOnlySpan<byte> line) => (line is [.. var text, (byte)'\r'] ? text : line).ToArray();
}
