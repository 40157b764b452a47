// Bulk TCP flows between two hosts in ns-3, for BenchmarkNS3: how many data packets a second
// of wall time. It prints the data packets that have arrived and the seconds that it took.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"

using namespace ns3;

int main(int argc, char **argv)
{
	uint32_t flows = 1, delack = 2, segment = 1448, queue = 1000;
	std::string rate = "1Gbps", delay = "1ms";
	double seconds = 1;
	CommandLine cmd(__FILE__);
	cmd.AddValue("flows", "TCP flows", flows);
	cmd.AddValue("rate", "of the line", rate);
	cmd.AddValue("delay", "of the line, one way", delay);
	cmd.AddValue("queue", "of the line, packets", queue);
	cmd.AddValue("seconds", "of simulated time", seconds);
	cmd.AddValue("delack", "segments an acknowledgement", delack);
	cmd.Parse(argc, argv);

	Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpCubic::GetTypeId()));
	Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(segment));
	Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(delack));
	Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(8 << 20));
	Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(8 << 20));

	NodeContainer nodes;
	nodes.Create(2);
	PointToPointHelper line;
	line.SetDeviceAttribute("DataRate", StringValue(rate));
	line.SetChannelAttribute("Delay", StringValue(delay));
	line.SetQueue("ns3::DropTailQueue", "MaxSize", QueueSizeValue(QueueSize(std::to_string(queue) + "p")));
	NetDeviceContainer devices = line.Install(nodes);
	InternetStackHelper().Install(nodes);
	Ipv4AddressHelper addresses("10.0.0.0", "255.255.255.0");
	Ipv4InterfaceContainer interfaces = addresses.Assign(devices);
	TrafficControlHelper().Uninstall(devices); // the line's queue alone

	ApplicationContainer sinks;
	for (uint32_t i = 0; i < flows; i++) {
		InetSocketAddress to(interfaces.GetAddress(1), 1000 + i);
		sinks.Add(PacketSinkHelper("ns3::TcpSocketFactory", to).Install(nodes.Get(1)));
		BulkSendHelper source("ns3::TcpSocketFactory", to);
		source.SetAttribute("SendSize", UintegerValue(128 << 10));
		source.Install(nodes.Get(0));
	}
	Simulator::Stop(Seconds(seconds));
	auto began = std::chrono::steady_clock::now();
	Simulator::Run();
	std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < sinks.GetN(); i++)
		bytes += DynamicCast<PacketSink>(sinks.Get(i))->GetTotalRx();
	std::printf("%lu %.6f\n", (unsigned long)(bytes / segment), took.count());
	Simulator::Destroy();
}
