using System.Net;
using System.Net.Sockets;

namespace Sluice.Base.Logging;

/// <summary>Words for whom refusals come from: see <see cref="IRefusal.Origin"/>.</summary>
public static class RefusalOrigin
{
    private const int NetworkBytes = 8;

    /// <summary>Clients at an address. IPv6 addresses of one network of 64 bits are one's: who has one of them mostly has all.</summary>
    public static string Of(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return $"Clients from {address}";
        }

        if (address.IsIPv4MappedToIPv6)
        {
            return $"Clients from {address.MapToIPv4()}";
        }

        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        bytes[NetworkBytes..].Clear();
        return $"Clients from {new IPAddress(bytes)}/{NetworkBytes * 8}";
    }

    /// <summary>A user.</summary>
    public static string Of(string user) => $"User '{user}'";
}
