package iperf3
import ("testing";"context";"os";"time";"fmt")
func TestZZ(t *testing.T){
 if os.Getenv("ZZ")=="" {t.Skip()}
 for _,p:=range []Params{{Duration:2*time.Second,UDP:true,Bitrate:Unlimited},{Duration:2*time.Second,UDP:true,Bitrate:1e9,Reverse:true}} {
  c:=Client{Host:KernelHost{},Address:os.Getenv("ZZ"),Params:p,Report:Report{Out:os.Stdout,Interval:-1}}
  _,err:=c.Run(context.Background())
  fmt.Println(err)
 }
}
func TestYY(t *testing.T){
 s:=Server{Host:KernelHost{},Address:"127.0.0.1:6402"}
 ctx,c:=context.WithTimeout(context.Background(),12*time.Second); defer c()
 s.Serve(ctx)
}
