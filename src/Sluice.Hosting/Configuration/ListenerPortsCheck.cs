using System.Net;
using System.Net.Sockets;

namespace Sluice.Hosting.Configuration;

/// <summary>Finds listeners of the broker's own that would be in each other's way.</summary>
internal static class ListenerPortsCheck
{
    /// <summary>Adds each two to <paramref name="faults"/>.</summary>
    public static void Check(SluiceSettings settings, SettingFaults faults)
    {
        List<(string Section, string Address, int Port)> listeners = [];
        Add("Amqp", settings.Amqp.Address, settings.Amqp.Port);
        Add("Amqp:Tls", settings.Amqp.Tls.CertificateFile.Length > 0 ? settings.Amqp.Tls.Address : "", settings.Amqp.Tls.Port);
        Add("Kafka", settings.Kafka.Address, settings.Kafka.Port);
        Add("Kafka:Tls", settings.Kafka.Tls.CertificateFile.Length > 0 ? settings.Kafka.Tls.Address : "", settings.Kafka.Tls.Port);
        Add("Admin", settings.Admin.Address, settings.Admin.Port);
        for (int i = 0; i < listeners.Count; i++)
        {
            (string firstSection, string firstAddress, int firstPort) = listeners[i];
            foreach ((string section, string address, int port) in listeners.Skip(i + 1).Where(other => other.Port == firstPort && Meet(other.Address, firstAddress)))
            {
                faults.AddContradiction(
                    $"{firstSection}:Port and {section}:Port are both {port}, at addresses ({firstAddress} and {address}) where only one of them can listen: give each a port of its own.",
                    $"{firstSection}:Port",
                    $"{section}:Port",
                    $"{firstSection}:Address",
                    $"{section}:Address");
            }
        }

        // A port of 0 is whichever is free.
        void Add(string section, string address, int port)
        {
            if (address.Length > 0 && port > 0)
            {
                listeners.Add((section, address, port));
            }
        }
    }

    /// <summary>Whether two listeners take the same connections. "*" and :: are all addresses, 0.0.0.0 is all of IPv4.</summary>
    private static bool Meet(string one, string other) =>
        ListenAddress.TryParse(one, out IPAddress first) && ListenAddress.TryParse(other, out IPAddress second)
        && (first.Equals(second) || Covers(first, second) || Covers(second, first));

    private static bool Covers(IPAddress all, IPAddress other) =>
        all.Equals(IPAddress.IPv6Any) || (all.Equals(IPAddress.Any) && other.AddressFamily == AddressFamily.InterNetwork);
}
