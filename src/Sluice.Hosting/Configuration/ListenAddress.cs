using System.Net;

namespace Sluice.Hosting.Configuration;

/// <summary>The address of a listener as operators write it.</summary>
internal static class ListenAddress
{
    /// <summary>"*" is every address, IPv6 and IPv4; otherwise an IP address or "localhost".</summary>
    public static bool TryParse(string text, out IPAddress address)
    {
        address = text switch
        {
            "*" => IPAddress.IPv6Any,
            "localhost" => IPAddress.Loopback,
            _ => IPAddress.TryParse(text, out IPAddress? parsed) ? parsed : IPAddress.None,
        };
        return !address.Equals(IPAddress.None);
    }

    /// <exception cref="ArgumentException">Not an address; the settings' reader has checked it.</exception>
    public static IPAddress Parse(string text) => TryParse(text, out IPAddress address) ? address : throw new ArgumentException($"'{text}' is not an address.", nameof(text));
}
