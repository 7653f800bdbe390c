using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Sluice.Transport;
using Sluice.Transport.Tests;

namespace Sluice.Security.Tests;

/// <summary>Tests that weigh the heap, and so run while nothing else does.</summary>
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
[Collection(nameof(MemoryTests))]
public sealed class MemoryTests
{
    [Fact]
    public async Task Two_thousand_idle_connections_cost_at_most_20_KB_each_and_hold_no_block()
    {
        const int Count = 2000;
        await using var server = new TransportServer(new TransportOptions(), TimeProvider.System, NullLoggerFactory.Instance);
        IPEndPoint endPoint = server.Listen(
            new ListenerOptions { Name = "test", EndPoint = new IPEndPoint(IPAddress.Loopback, 0) },
            new TestHandler(TestHandler.EchoAsync));
        var clients = new List<Socket>();
        await AddAsync(50);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        await AddAsync(Count);
        await Poll.UntilAsync(() => server.Pool.RentedBlocks == 0, "idle connections to give their blocks back");
        Assert.Equal(Count + 50, server.ConnectionCount);
        long each = (GC.GetTotalMemory(forceFullCollection: true) - before) / Count;
        TestContext.Current.SendDiagnosticMessage("an idle connection costs {0} bytes, the client's socket included", each);
        Assert.True(each < 20 << 10, $"{each} bytes each");
        Assert.All(clients, client => client.Dispose());

        async Task AddAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await client.ConnectAsync(endPoint);
                await client.SendAsync("x"u8.ToArray());
                await client.ReceiveAsync(new byte[1]);
                clients.Add(client);
            }
        }
    }

    [Fact]
    public async Task Many_names_do_not_grow_the_memory_without_end()
    {
        var control = new AccessControl(new MemorySecurityStore(), NullLogger<AccessControl>.Instance);
        await control.PutUserAsync(new User("ada", null, [], default));
        await control.PutPermissionAsync(new Permission("ada", "/", "", "7$", ""));
        VirtualHostAccess access = control.Enter("ada", "/")!;
        Assert.True(access.Allows(Access.Write, "7"));
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 100_000; i++)
        {
            Assert.Equal(i % 10 == 7, access.Allows(Access.Write, "queue-" + i));
        }

        long growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(growth < 3 << 20, $"{growth} bytes more");
        GC.KeepAlive(access);
    }
}
