using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Sluice.Transport.Polling;

namespace Sluice.Transport.Tests;

/// <summary>Files are sent where a connection's input is handled only if that does not wait for the disk.</summary>
public sealed partial class FileSendingTests : IDisposable
{
    private const int Bytes = 1 << 20, DontNeed = 4;

    private readonly string _path = Path.Combine(AppContext.BaseDirectory, $"pages-{Guid.NewGuid():N}");
    private readonly SafeFileHandle _file;

    public FileSendingTests()
    {
        File.WriteAllBytes(_path, new byte[Bytes]);
        _file = File.OpenHandle(_path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(_file);
    }

    public void Dispose()
    {
        _file.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public void What_the_page_cache_has_is_known()
    {
        Assert.True(PageCache.Holds(_file, 0, Bytes));
        Assert.True(PageCache.Holds(_file, Bytes - 1, 1));
        Assert.False(PageCache.Holds(_file, Bytes - 1, 2), "What is not in the file is not in memory.");
        Assert.Equal(0, Advise(_file, 0, 0, DontNeed));
        if (new DriveInfo(_path).DriveFormat is "tmpfs")
        {
            Assert.Skip("What lies in memory anyway is never given up.");
        }

        Assert.False(PageCache.Holds(_file, 0, Bytes));
        RandomAccess.Read(_file, new byte[Bytes], 0);
        Assert.True(PageCache.Holds(_file, 0, Bytes));
    }

    [Fact]
    public void Of_a_closed_file_nothing_is_known()
    {
        _file.Dispose();
        Assert.False(PageCache.Holds(_file, 0, Bytes));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_in_memory_is_sent_by_who_flushes_the_rest_by_the_thread_pool(bool isInMemory)
    {
        using var stream = new FileStreamStub(isInMemory);
        var writer = new ConnectionWriter(stream, new BlockPool(), ConnectionWriterLimits.Default, static _ => { });
        using var sent = new ManualResetEventSlim();
        Assert.True(writer.Enter());
        writer.Append("<"u8);
        writer.AppendFile(_file, 0, Bytes, new Owner(sent));
        writer.Exit();
        var thread = new Thread(writer.Flush);
        thread.Start();
        thread.Join();
        Assert.True(sent.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken), "The file is sent.");
        Assert.Equal(Bytes, stream.FileBytes);
        Assert.All(stream.PoolThreads, isPool => Assert.Equal(!isInMemory, isPool));
        Assert.All(stream.Asked, static bytes => Assert.InRange(bytes, 1, 256 << 10));
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);

    private sealed class Owner(ManualResetEventSlim released) : IDisposable
    {
        public void Dispose() => released.Set();
    }

    private sealed class FileStreamStub(bool isInMemory) : MemoryStream, IFileSender
    {
        public List<bool> PoolThreads { get; } = [];

        public List<long> Asked { get; } = [];

        public long FileBytes { get; private set; }

        public long SendFile(SafeFileHandle file, long position, long length)
        {
            PoolThreads.Add(Thread.CurrentThread.IsThreadPoolThread);
            long sent = Math.Min(length, 100_000);
            FileBytes += sent;
            return sent;
        }

        public bool IsInMemory(SafeFileHandle file, long position, long length)
        {
            Asked.Add(length);
            return isInMemory;
        }

        public ValueTask WaitWritableAsync() => throw new InvalidOperationException("The socket was never full.");
    }
}
