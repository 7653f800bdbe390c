using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Sluice.Transport.Polling;

/// <summary>What <see cref="EpollHandle"/> reports of a socket; the values are the kernel's (epoll_ctl(2)).</summary>
[Flags]
internal enum EpollEvents : uint
{
    In = 0x001,
    Out = 0x004,
    Error = 0x008,
    HangUp = 0x010,
    PeerHangUp = 0x2000,
    EdgeTriggered = 0x8000_0000,
}

/// <summary>An epoll instance with an eventfd that wakes whoever waits on it (epoll(7), eventfd(2)). Linux only.</summary>
internal sealed partial class EpollHandle : IDisposable
{
    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int ControlAdd = 1;
    private const int InterruptedCall = 4;

    private readonly SafeFileHandle _epoll;
    private readonly SafeFileHandle _wake;
    private readonly int _wakeDescriptor;
    private readonly byte[] _events;

    /// <param name="eventsMax">Events that one wait returns at most.</param>
    /// <exception cref="Win32Exception">The process has no file handles left.</exception>
    public EpollHandle(int eventsMax)
    {
        _events = GC.AllocateArray<byte>(eventsMax * EventBytes, pinned: true);
        _epoll = new SafeFileHandle(Checked(Create(CloseOnExec)), ownsHandle: true);
        _wakeDescriptor = Checked(CreateWake(0, CloseOnExec | NonBlocking));
        _wake = new SafeFileHandle(_wakeDescriptor, ownsHandle: true);
        Add(_wakeDescriptor, EpollEvents.In | EpollEvents.EdgeTriggered);
    }

    // The kernel packs the structure on x86-64 only.
    private static int DataOffset => RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 4 : 8;

    private static int EventBytes => DataOffset + 8;

    /// <summary>Watches a descriptor until it is closed.</summary>
    public void Add(int descriptor, EpollEvents events)
    {
        Span<byte> entry = stackalloc byte[EventBytes];
        entry.Clear();
        MemoryMarshal.Write(entry, (uint)events);
        MemoryMarshal.Write(entry[DataOffset..], (long)descriptor);
        Checked(Control(_epoll, ControlAdd, descriptor, ref MemoryMarshal.GetReference(entry)));
    }

    /// <summary>Waits for events and returns how many there are. <paramref name="timeoutMs"/> -1: for ever.</summary>
    public int Wait(int timeoutMs)
    {
        int count = Wait(_epoll, ref MemoryMarshal.GetArrayDataReference(_events), _events.Length / EventBytes, timeoutMs);
        return count < 0 && Marshal.GetLastPInvokeError() == InterruptedCall ? 0 : Checked(count);
    }

    /// <summary>The event at an index of the last <see cref="Wait(int)"/>. False for the wake-up itself.</summary>
    public bool TryGet(int index, out int descriptor, out EpollEvents events)
    {
        ReadOnlySpan<byte> entry = _events.AsSpan(index * EventBytes, EventBytes);
        events = (EpollEvents)MemoryMarshal.Read<uint>(entry);
        descriptor = (int)MemoryMarshal.Read<long>(entry[DataOffset..]);
        return descriptor != _wakeDescriptor;
    }

    /// <summary>Ends a wait under way or the next one. Any thread.</summary>
    public void Wake()
    {
        // Edge-triggered: every write is an event, so that the counter is never read; it cannot overflow in practice.
        long one = 1;
        _ = Write(_wake, ref one, sizeof(long));
    }

    public void Dispose()
    {
        _epoll.Dispose();
        _wake.Dispose();
    }

    private static int Checked(int result) => result >= 0 ? result : throw new Win32Exception(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    private static partial int Create(int flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int CreateWake(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    private static partial int Control(SafeFileHandle epoll, int operation, int descriptor, ref byte entry);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    private static partial int Wait(SafeFileHandle epoll, ref byte events, int eventsMax, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(SafeFileHandle descriptor, ref long value, nint bytes);
}
