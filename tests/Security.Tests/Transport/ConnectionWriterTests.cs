using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Sluice.Transport.Tests;

public sealed class ConnectionWriterTests
{
    private static readonly ConnectionWriterLimits SmallLimits = new() { HighWaterBytes = 100, LowWaterBytes = 10, HardLimitBytes = 1000 };

    private readonly BlockPool _pool = new();
    private readonly GatedStream _stream = new();
    private readonly List<string> _aborts = [];

    private ConnectionWriter Open(ConnectionWriterLimits? limits = null) => new(_stream, _pool, limits ?? ConnectionWriterLimits.Default, _aborts.Add);

    private static void Put(ConnectionWriter writer, ReadOnlySpan<byte> bytes)
    {
        Assert.True(writer.Enter());
        writer.Append(bytes);
        writer.Exit();
    }

    private static byte[] Numbered(int count) => [.. Enumerable.Range(0, count).Select(i => (byte)(i * 31))];

    [Fact]
    public void What_is_reserved_committed_and_appended_goes_out_in_order_with_one_write()
    {
        ConnectionWriter writer = Open();
        Assert.True(writer.Enter());
        "abc"u8.CopyTo(writer.Reserve(10));
        writer.Commit(3);
        writer.Append("def"u8);
        writer.Append(new ReadOnlySequence<byte>("ghi"u8.ToArray()));
        writer.Exit();
        Assert.Equal(9, writer.PendingBytes);
        Assert.Equal(1, _pool.RentedBlocks);
        writer.Flush();
        Assert.Equal("abcdefghi"u8.ToArray(), _stream.Written);
        Assert.Equal(1, _stream.Writes);
        Assert.Equal(0, writer.PendingBytes);
        Assert.Equal(0, _pool.RentedBlocks);
        writer.Flush();
        Assert.Equal(1, _stream.Writes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(BlockPool.BlockBytes)]
    [InlineData(BlockPool.BlockBytes + 1)]
    [InlineData(5 * BlockPool.BlockBytes + 77)]
    public async Task Bytes_of_any_number_pass_through_blocks_unchanged(int size)
    {
        ConnectionWriter writer = Open();
        Put(writer, "<"u8);
        Put(writer, Numbered(size));
        Put(writer, ">"u8);
        writer.ScheduleFlush();
        await Poll.UntilAsync(() => writer.PendingBytes == 0, "the flush");
        Assert.Equal([(byte)'<', .. Numbered(size), (byte)'>'], _stream.Written);
        await Poll.UntilAsync(() => _pool.RentedBlocks == 0, "the blocks to come back");
    }

    [Fact]
    public void A_reservation_never_spans_blocks_and_has_bounds()
    {
        ConnectionWriter writer = Open();
        Put(writer, Numbered(BlockPool.BlockBytes - 5));
        Assert.True(writer.Enter());
        Assert.Equal(6, writer.Reserve(6).Length);
        writer.Commit(0);
        Assert.Equal(ConnectionWriter.ReserveBytesMax, writer.Reserve(ConnectionWriter.ReserveBytesMax).Length);
        writer.Commit(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => { writer.Reserve(0); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { writer.Reserve(ConnectionWriter.ReserveBytesMax + 1); });
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Commit(ConnectionWriter.ReserveBytesMax));
        writer.Exit();
        writer.Flush();
        Assert.Equal(BlockPool.BlockBytes - 4, _stream.Written.Length);
        Assert.Equal(0, _pool.RentedBlocks);
    }

    [Fact]
    public async Task Frames_appended_while_a_send_waits_gather_and_follow_in_one_write()
    {
        ConnectionWriter writer = Open();
        _stream.Shut();
        Put(writer, "a"u8);
        writer.Flush();
        for (int i = 0; i < 1000; i++)
        {
            Put(writer, "b"u8);
            writer.Flush();
            writer.ScheduleFlush();
        }

        Assert.Equal(1, _stream.Writes);
        Assert.Equal(1001, writer.PendingBytes);
        _stream.Open();
        await Poll.UntilAsync(() => writer.PendingBytes == 0, "the flush");
        Assert.Equal(2, _stream.Writes);
        Assert.Equal(1001, _stream.Written.Length);
    }

    [Fact]
    public async Task Backed_up_from_the_high_mark_to_the_low_mark_and_then_told_once()
    {
        ConnectionWriter writer = Open(SmallLimits);
        int drained = 0;
        writer.Drained = () => Interlocked.Increment(ref drained);
        Put(writer, new byte[99]);
        Assert.False(writer.IsBackedUp);
        await writer.WaitForRoomAsync(CancellationToken.None);
        Put(writer, new byte[1]);
        Assert.True(writer.IsBackedUp);
        Task room = writer.WaitForRoomAsync(CancellationToken.None).AsTask();
        Assert.False(room.IsCompleted);
        writer.Flush();
        await room;
        Assert.False(writer.IsBackedUp);
        Assert.Equal(1, drained);
        Put(writer, new byte[50]);
        writer.Flush();
        Assert.Equal(1, drained);
    }

    [Fact]
    public async Task Still_backed_up_while_what_came_meanwhile_exceeds_the_low_mark()
    {
        ConnectionWriter writer = Open(SmallLimits);
        int drained = 0;
        writer.Drained = () => Interlocked.Increment(ref drained);
        _stream.Shut();
        Put(writer, new byte[100]);
        writer.Flush();
        Put(writer, new byte[11]);
        Assert.True(writer.IsBackedUp);
        _stream.Open();
        await Poll.UntilAsync(() => drained == 1, "the drain");
        Assert.Equal(0, writer.PendingBytes);
        Assert.False(writer.IsBackedUp);
    }

    [Fact]
    public void A_peer_that_asks_for_more_than_it_reads_is_cut_at_the_hard_limit()
    {
        ConnectionWriter writer = Open(SmallLimits);
        Put(writer, new byte[1000]);
        Assert.Empty(_aborts);
        Put(writer, new byte[1]);
        Assert.Contains("does not read", Assert.Single(_aborts), StringComparison.Ordinal);
        Assert.False(writer.Enter());
        Assert.Equal(0, _pool.RentedBlocks);
        Assert.Equal(0, writer.PendingBytes);
        writer.Flush();
        Assert.Equal(0, _stream.Writes);
    }

    [Fact]
    public async Task Close_sends_what_is_pending_and_takes_no_more()
    {
        ConnectionWriter writer = Open();
        _stream.Shut();
        Put(writer, "last words"u8);
        Task close = writer.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        Assert.False(writer.Enter());
        Assert.False(close.IsCompleted);
        _stream.Open();
        await close;
        Assert.Equal("last words"u8.ToArray(), _stream.Written);
        Assert.Equal(0, _pool.RentedBlocks);
        Assert.Empty(_aborts);
        await writer.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
    }

    [Fact]
    public async Task Close_gives_up_on_a_peer_that_does_not_take_it()
    {
        ConnectionWriter? writer = null;
        writer = new ConnectionWriter(_stream, _pool, ConnectionWriterLimits.Default, reason =>
        {
            _aborts.Add(reason);
            _stream.Fail(new IOException("aborted"));
        });
        _stream.Shut();
        Put(writer, "a"u8);
        writer.Flush();
        Put(writer, "b"u8);
        await writer.CloseAsync(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        Assert.Contains("did not take", _aborts[0], StringComparison.Ordinal);
        Assert.Equal(0, _pool.RentedBlocks);
        Assert.Empty(_stream.Written);
    }

    [Fact]
    public async Task A_failed_send_ends_the_connection_and_frees_those_who_wait()
    {
        ConnectionWriter writer = Open(SmallLimits);
        _stream.Shut();
        Put(writer, new byte[200]);
        writer.Flush();
        ValueTask room = writer.WaitForRoomAsync(CancellationToken.None);
        Put(writer, new byte[200]);
        _stream.Fail(new IOException("connection reset"));
        await room;
        await Poll.UntilAsync(() => _pool.RentedBlocks == 0, "the blocks to come back");
        Assert.Contains("connection reset", Assert.Single(_aborts), StringComparison.Ordinal);
        Assert.False(writer.Enter());
        Assert.Equal(0, writer.PendingBytes);
        await writer.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
    }

    [Fact]
    public async Task Waiting_for_room_can_be_cancelled()
    {
        ConnectionWriter writer = Open(SmallLimits);
        Put(writer, new byte[200]);
        using var cancel = new CancellationTokenSource();
        ValueTask room = writer.WaitForRoomAsync(cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await room);
    }

    [Fact]
    public void Appending_and_flushing_allocate_nothing()
    {
        var writer = new ConnectionWriter(Stream.Null, _pool, ConnectionWriterLimits.Default, _aborts.Add);
        byte[] frame = new byte[1000];
        Turn();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            Turn();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Turn()
        {
            for (int i = 0; i < 100; i++)
            {
                writer.Enter();
                frame.CopyTo(writer.Reserve(1000));
                writer.Commit(1000);
                writer.Append(frame);
                writer.Exit();
            }

            writer.Flush();
        }
    }

    /// <summary>Eight threads write frames of many sizes to a socket whose reader is slow now and then; every frame must come whole and each thread's in order.</summary>
    [Fact]
    public async Task Frames_of_concurrent_writers_never_mix_and_back_pressure_loses_nothing()
    {
        const int Writers = 8;
        const int FramesEach = 4000;
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 16 << 10 };
        await client.ConnectAsync(listener.LocalEndPoint!);
        using Socket server = await listener.AcceptAsync();
        server.SendBufferSize = 16 << 10;

        var writer = new ConnectionWriter(
            new NetworkStream(server),
            _pool,
            new ConnectionWriterLimits { HighWaterBytes = 256 << 10, LowWaterBytes = 32 << 10 },
            _aborts.Add);
        int drained = 0;
        writer.Drained = () => Interlocked.Increment(ref drained);
        Task reading = Task.Run(() => ReadFrames(client, Writers, FramesEach));
        Task[] writing = [.. Enumerable.Range(0, Writers).Select(id => Task.Run(async () =>
        {
            var random = new Random(id);
            for (int number = 0; number < FramesEach; number++)
            {
                byte[] frame = Frame(id, number, random.Next(100) == 0 ? random.Next(200_000) : random.Next(500));
                Assert.True(writer.Enter());
                if (frame.Length <= ConnectionWriter.ReserveBytesMax && number % 2 == 0)
                {
                    frame.CopyTo(writer.Reserve(frame.Length));
                    writer.Commit(frame.Length);
                }
                else
                {
                    writer.Append(frame);
                }

                writer.Exit();
                if (number % 3 == 0)
                {
                    writer.Flush();
                }
                else
                {
                    writer.ScheduleFlush();
                }

                await writer.WaitForRoomAsync(CancellationToken.None);
            }
        }))];
        await Task.WhenAll(writing);
        await writer.CloseAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        server.Shutdown(SocketShutdown.Send);
        await reading;
        Assert.Empty(_aborts);
        Assert.Equal(0, writer.PendingBytes);
        Assert.Equal(0, _pool.RentedBlocks);
        Assert.True(drained > 0, "the reader was never slow enough to test anything");
    }

    private static byte[] Frame(int id, int number, int size)
    {
        byte[] frame = new byte[12 + size];
        BinaryPrimitives.WriteInt32BigEndian(frame, size);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), id);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(8), number);
        frame.AsSpan(12).Fill((byte)(id * 16 + number));
        return frame;
    }

    private static void ReadFrames(Socket socket, int writers, int framesEach)
    {
        using var stream = new BufferedStream(new NetworkStream(socket), 8 << 10);
        int[] next = new int[writers];
        byte[] header = new byte[12];
        byte[] body = new byte[200_000];
        for (int frames = 0; frames < writers * framesEach; frames++)
        {
            stream.ReadExactly(header);
            int size = BinaryPrimitives.ReadInt32BigEndian(header);
            int id = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4));
            int number = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(8));
            Assert.InRange(size, 0, body.Length);
            Assert.Equal(next[id]++, number);
            stream.ReadExactly(body, 0, size);
            Assert.Equal(-1, body.AsSpan(0, size).IndexOfAnyExcept((byte)(id * 16 + number)));
            if (frames % 1000 == 0)
            {
                Thread.Sleep(10);
            }
        }

        Assert.Equal(-1, stream.ReadByte());
    }
}
